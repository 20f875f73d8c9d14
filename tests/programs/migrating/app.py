"""An application that migrates its database directly while its work goes through pgdraft.

`work` runs four migrations and the work between them twice: on a plain database, and on one whose migrations
run directly and whose work is one draft. After each step both are read and have to be alike. `compare` does
so with every table of the two, once the draft is committed.
"""

import os
import sys

import django
from django.conf import settings
from django.db import IntegrityError, connections, transaction


def database(port, name, user, options=""):
    return {
        "ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": port, "NAME": name, "USER": user,
        "PASSWORD": os.environ["PROGRAM_PASSWORD"], "OPTIONS": {"options": options},
    }


SERVER = os.environ["PROGRAM_SERVER_PORT"]
NAME = os.environ["PROGRAM_DATABASE"]
settings.configure(
    DATABASES={
        "default": database(
            os.environ["PROGRAM_PORT"], NAME, os.environ["PROGRAM_USER"], os.environ["PROGRAM_OPTIONS"]),
        "direct": database(SERVER, NAME, "postgres"),
        "plain": database(SERVER, os.environ["PROGRAM_PLAIN"], "postgres"),
    },
    INSTALLED_APPS=["shop"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
)
django.setup()

from django.db.migrations.executor import MigrationExecutor  # noqa: E402
from django.db.models import Avg, Count, F, Q, Sum  # noqa: E402


def migrate(alias, name):
    MigrationExecutor(connections[alias]).migrate([("shop", name)])


def models(name):
    """The models as they are after that migration."""
    apps = MigrationExecutor(connections["plain"]).loader.project_state([("shop", name)]).apps
    return lambda model: apps.get_model("shop", model).objects


def refused(alias, work):
    try:
        with transaction.atomic(using=alias):
            work()
    except IntegrityError as error:
        return str(error)
    raise AssertionError("this breaks a constraint and was taken")


def stock_it(alias, of):
    """What production has before the draft."""
    author, book, label = (of(m).using(alias) for m in ("Author", "Book", "Label"))
    ann, bob = author.create(name="Ann"), author.create(name="Bob")
    book.bulk_create([book.model(title=f"b{i}", author=ann if i % 2 else bob, price=i, tags=["old"]) for i in range(9)])
    label.bulk_create([label.model(word=w) for w in ("red", "green", "blue")])
    book.get(title="b0").labels.add(*label.all())


def first(alias, of):
    author, book, label = (of(m).using(alias) for m in ("Author", "Book", "Label"))
    with transaction.atomic(using=alias):
        cid = author.create(name="Cid", mentor=author.get(name="Ann"))
        cid_book = book.create(title="new", author=cid, price=7, data={"a": [1, None]}, tags=["x", "y"])
        cid_book.labels.set(label.filter(word__in=["red", "blue"]))
    book.filter(price__gt=5).update(price=F("price") * 2, tags=["dear"])
    book.get(title="b0").labels.remove(label.get(word="green"))
    book.filter(title="b1").delete()
    made = book.get_or_create(title="b2", author=author.get(name="Bob"), defaults={"price": 99})[1]
    return [
        made,
        refused(alias, lambda: book.create(title="b3", author=author.get(name="Ann"))),
        refused(alias, lambda: book.filter(title="b3").update(price=-1)),
        list(book.filter(tags__contains=["dear"]).order_by("id").values_list("id", "title", "price")),
    ]


def second(alias, of):
    author, book = (of(m).using(alias) for m in ("Author", "Book"))
    book.filter(name="new").update(stock=F("stock") - 2, name=F("name"))
    book.create(name="later", author=author.get(name="Bob"), data={"k": "v"})
    book.bulk_create(
        [book.model(id=i, name=f"up{i}", author=author.get(name="Bob"), stock=i) for i in (3, 4, 50)],
        update_conflicts=True, unique_fields=["id"], update_fields=["name", "stock"])
    with transaction.atomic(using=alias):
        locked = book.select_for_update().get(name="later")
        locked.seen = "2026-01-01"
        locked.save()
    return [
        list(book.order_by("id").values("id", "name", "stock", "seen", "price", "data", "tags")),
        book.aggregate(all=Sum("stock"), filled=Count("id", filter=Q(data__isnull=False))),
        list(author.annotate(n=Count("book")).order_by("id").values_list("name", "n", "mentor__name")),
    ]


def third(alias, of):
    author, book, review, novel = (of(m).using(alias) for m in ("Author", "Book", "Review", "Novel"))
    review.bulk_create([review.model(book=b, stars=b.id % 6) for b in book.order_by("id")])
    saga = novel.create(name="a much longer name than before", author=author.get(name="Cid"), price="12.50")
    novel.filter(id=saga.id).update(genre="saga", price=F("price") + 1)
    book.filter(name="b8").update(price="0.25")
    review.filter(stars=0).delete()
    return [
        list(book.annotate(a=Avg("review__stars")).order_by("id").values_list("name", "price", "a")),
        list(novel.values_list("name", "genre", "price", "author__name")),
        refused(alias, lambda: review.create(book_id=4711, stars=1)),
    ]


def fourth(alias, of):
    author, book, tag, review = (of(m).using(alias) for m in ("Author", "Book", "Tag", "Review"))
    best = review.filter(stars=5).first()
    tag.create(word="last")
    book.get(name="new").labels.add(tag.get(word="last"))
    author.filter(name="Bob").update(name="Robert")
    book.filter(author__name="Ann", price__lt=5).delete()
    return [
        best and refused(alias, lambda: review.create(book=best.book, stars=5)),
        list(tag.annotate(n=Count("book")).order_by("id").values_list("word", "n")),
        list(book.order_by("id").values()),
        list(review.order_by("id").values()),
    ]


STEPS = [("0001_initial", first), ("0002_stock", second), ("0003_reviews", third), ("0004_tidy", fourth)]


def work():
    for name, step in STEPS:
        for alias in ("direct", "plain"):
            migrate(alias, name)
            if step is first:
                stock_it(alias, models(name))
        plain, draft = (step(alias, models(name)) for alias in ("plain", "default"))
        assert draft == plain, f"{name}:\n{draft}\n{plain}"


def rows(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'django_migrations' ORDER BY 1")
        tables = [name for (name,) in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}" t ORDER BY t::text')
            found[table] = ([c.name for c in cursor.description], cursor.fetchall())
        return found


def compare():
    plain, draft = rows("plain"), rows("direct")
    assert plain == draft, "\n".join(f"{t}:\n{draft.get(t)}\n{plain[t]}" for t in plain if plain[t] != draft.get(t))


{"work": work, "compare": compare}[sys.argv[1]]()
