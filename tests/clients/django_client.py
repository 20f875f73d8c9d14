"""Django over psycopg 3 and psycopg 2: settings as its users write them, the ORM's ways to read and write."""

import datetime
import os
import sys
import uuid
from decimal import Decimal

import django
from django.apps import AppConfig
from django.conf import settings

from common import DATABASE, HOST, PASSWORD, PORT, TLS, USER, equal, main, options

DRIVER = sys.argv[1]

CONNECTION = {
    "ENGINE": "django.db.backends.postgresql", "HOST": HOST, "PORT": PORT, "NAME": DATABASE, "USER": USER,
    "PASSWORD": PASSWORD, "OPTIONS": {"options": options(), "sslmode": "require" if TLS else "prefer"},
}


class Clients(AppConfig):
    name = "__main__"
    label = "clients"
    path = os.path.dirname(__file__)


more = {"server_side_binding": True} if DRIVER == "psycopg" else {}
settings.configure(
    DATABASES={
        "default": CONNECTION,
        "bound": {**CONNECTION, "OPTIONS": {**CONNECTION["OPTIONS"], **more}, "CONN_MAX_AGE": None},
    },
    INSTALLED_APPS=["__main__.Clients"],
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
# Django takes psycopg 3 where both are there.
known = sys.modules["psycopg"]
if DRIVER == "psycopg2":
    sys.modules["psycopg"] = None
from django.db.backends.postgresql.base import is_psycopg3  # noqa: E402

sys.modules["psycopg"] = known
django.setup()

from django.contrib.postgres.fields import ArrayField  # noqa: E402
from django.db import IntegrityError, NotSupportedError, connections, models, transaction  # noqa: E402
from django.db.models import Count, F, Q, Sum  # noqa: E402


class Customer(models.Model):
    name = models.TextField()
    email = models.CharField(max_length=60, unique=True, null=True)
    mood = models.TextField(db_default="ok")
    credit = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    tags = ArrayField(models.TextField(), default=list)
    data = models.JSONField(null=True)
    born = models.DateField(null=True)
    created = models.DateTimeField(default=lambda: CREATED)
    photo = models.BinaryField(null=True)
    ref = models.UUIDField(null=True)

    class Meta:
        app_label = "clients"
        db_table = "customers"


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")
    total = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    status = models.TextField(default="new")

    class Meta:
        app_label = "clients"
        db_table = "orders"


CREATED = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.timezone.utc)


def both(script):
    """Runs a script with values bound by the client, and where the driver can by the server."""

    def run():
        for alias in ("default", "bound"):
            with transaction.atomic(alias):
                script(alias)
                transaction.set_rollback(True, alias)

    run.__name__ = script.__name__
    return run


@both
def crud(alias):
    customers = Customer.objects.using(alias)
    orders = Order.objects.using(alias)
    ref = uuid.uuid4()
    made = customers.create(name="dj one", email="dj1@x", mood="happy", credit=Decimal("12.34"), tags=["x", 'y "z"'],
                            data={"deep": [1, None]}, born=datetime.date(2001, 2, 3), photo=b"\x00'\\\xff", ref=ref)
    found = customers.get(email="dj1@x")
    equal((found.pk, found.mood, found.credit, found.tags, found.data, found.born, found.created, bytes(found.photo), found.ref),
          (made.pk, "happy", Decimal("12.34"), ["x", 'y "z"'], {"deep": [1, None]}, datetime.date(2001, 2, 3), CREATED,
           b"\x00'\\\xff", ref))
    orders.bulk_create([Order(customer=made, total=n) for n in range(30)], batch_size=7)
    equal(orders.filter(customer=made, total__gt=20).update(total=F("total") * 2, status="big"), 9)
    equal(made.orders.aggregate(n=Count("*"), sum=Sum("total"), big=Count("pk", filter=Q(status="big"))),
          {"n": 30, "sum": Decimal(660), "big": 9})
    equal(list(customers.filter(data__deep__0=1, tags__contains=["x"]).values_list("name", flat=True)), ["dj one"])
    equal(customers.annotate(n=Count("orders")).filter(n__gt=10).get().n, 30)
    again, created = customers.get_or_create(email="dj1@x", defaults={"name": "no"})
    equal((again.pk, created), (made.pk, False))
    customers.bulk_create([Customer(name="up", email="dj1@x"), Customer(name="new", email="dj2@x")],
                          update_conflicts=True, unique_fields=["email"], update_fields=["name"])
    equal(sorted(customers.filter(email__startswith="dj").values_list("name", flat=True)), ["new", "up"])
    equal(made.delete(), (31, {"clients.Order": 30, "clients.Customer": 1}))


@both
def savepoints_and_errors(alias):
    customers = Customer.objects.using(alias)
    customers.filter(pk=3).update(credit=5)
    try:
        with transaction.atomic(alias):
            customers.filter(pk=3).update(credit=6)
            customers.create(name="twice", email="c1@example.com")
    except IntegrityError as e:
        equal(e.__cause__.diag.constraint_name, "customers_email_key")
    else:
        raise AssertionError("no unique violation")
    equal(customers.select_for_update().get(pk=3).credit, Decimal(5))
    try:
        with transaction.atomic(alias), connections[alias].cursor() as cursor:
            cursor.execute("ALTER TABLE customers ADD x int")
    except NotSupportedError as e:
        equal(bool(e.__cause__.diag.message_hint), True, "hint")
    else:
        raise AssertionError("DDL was taken")


@both
def cursors(alias):
    Customer.objects.using(alias).filter(pk=4).update(name="walked")
    names = [c.name for c in Customer.objects.using(alias).filter(pk__lte=5).order_by("pk").iterator(chunk_size=2)]
    equal((len(names), names[3]), (5, "walked"))


def introspection():
    connection = connections["default"]
    with connection.cursor() as cursor:
        equal({"customers", "orders"} <= set(connection.introspection.table_names(cursor)), True)
        equal(connection.introspection.get_relations(cursor, "orders"), {"customer_id": ("id", "customers")})
        equal(connection.introspection.get_primary_key_column(cursor, "orders"), "id")


def leaves_its_name():
    Customer.objects.create(name=f"from django_{DRIVER}")


def driver():
    equal(is_psycopg3, DRIVER == "psycopg", "driver")


main(driver, crud, savepoints_and_errors, cursors, introspection, leaves_its_name)
