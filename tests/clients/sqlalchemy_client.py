"""SQLAlchemy 2 ORM over psycopg and asyncpg: mapping, flush order, relationships, reflection."""

import asyncio
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from common import DATABASE, HOST, PASSWORD, PORT, SESSION, USER, equal, main, options


class Base(orm.DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    email: orm.Mapped[str | None]
    mood: orm.Mapped[str] = orm.mapped_column(ENUM("sad", "ok", "happy", name="mood", create_type=False), server_default="ok")
    credit: orm.Mapped[Decimal] = orm.mapped_column(sa.Numeric(10, 2), default=Decimal(0))
    tags: orm.Mapped[list[str]] = orm.mapped_column(ARRAY(sa.Text), default=list)
    data: orm.Mapped[dict | None] = orm.mapped_column(JSONB)
    orders: orm.Mapped[list["Order"]] = orm.relationship(back_populates="customer", cascade="all, delete-orphan")


class Order(Base):
    __tablename__ = "orders"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    customer_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("customers.id"))
    total: orm.Mapped[Decimal] = orm.mapped_column(sa.Numeric(10, 2))
    status: orm.Mapped[str] = orm.mapped_column(server_default="new")
    customer: orm.Mapped[Customer] = orm.relationship(back_populates="orders")


def url(driver):
    return sa.URL.create(f"postgresql+{driver}", USER, PASSWORD, HOST, PORT, DATABASE)


def engine():
    return sa.create_engine(url("psycopg"), connect_args={"options": options()})


def unit_of_work():
    with orm.Session(engine()) as session:
        customer = Customer(name="orm one", email="orm1@x", credit=Decimal("9.99"), tags=["p"], data={"k": [1]},
                            orders=[Order(total=Decimal(n)) for n in range(5)])
        session.add_all([customer, Customer(name="orm two", email="orm2@x", mood="happy")])
        session.commit()
        equal((customer.mood, customer.credit, [o.status for o in customer.orders]), ("ok", Decimal("9.99"), ["new"] * 5))
        customer.name = "orm renamed"
        customer.orders[0].total = Decimal("100.5")
        del customer.orders[1]
        session.commit()
        session.expire_all()
        found = session.scalars(sa.select(Customer).where(Customer.email == "orm1@x")).one()
        equal((found.name, sorted(o.total for o in found.orders)),
              ("orm renamed", [Decimal(2), Decimal(3), Decimal(4), Decimal("100.50")]))
        rows = session.execute(
            sa.select(Customer.name, sa.func.count(Order.id), sa.func.sum(Order.total))
            .join(Order, isouter=True).group_by(Customer.id).order_by(Customer.id)).all()
        equal([r for r in rows if r[0].startswith("orm")], [("orm renamed", 4, Decimal("109.50")), ("orm two", 0, None)])
        session.delete(found)
        session.commit()
        equal(session.scalar(sa.select(sa.func.count()).select_from(Customer).where(Customer.name.like("orm%"))), 1)


def bulk():
    with orm.Session(engine()) as session:
        ids = session.scalars(sa.insert(Customer).returning(Customer.id, sort_by_parameter_order=True),
                              [{"name": f"bulk {n}", "email": f"bulk{n}@x"} for n in range(50)]).all()
        equal(len(set(ids)), 50)
        session.execute(sa.update(Customer), [{"id": i, "credit": Decimal(n)} for n, i in enumerate(ids)])
        changed = session.execute(sa.update(Customer).where(Customer.name.like("bulk%")).values(mood="sad"))
        equal(changed.rowcount, 50)
        equal(session.scalar(sa.select(sa.func.sum(Customer.credit)).where(Customer.id.in_(ids))), Decimal(1225))
        session.execute(sa.delete(Customer).where(Customer.id.in_(ids)))
        session.commit()


def savepoints_and_errors():
    with orm.Session(engine()) as session:
        session.add(Customer(name="outer"))
        session.flush()
        try:
            with session.begin_nested():
                session.add(Customer(name="inner", email="c1@example.com"))
                session.flush()
        except sa.exc.IntegrityError as e:
            equal(e.orig.sqlstate, "23505")
        else:
            raise AssertionError("no unique violation")
        session.commit()
        equal(session.scalar(sa.select(sa.func.count()).where(Customer.name == "outer")), 1)
        try:
            session.execute(sa.text("ALTER TABLE customers ADD x int"))
        except sa.exc.NotSupportedError as e:
            equal(e.orig.sqlstate, "0A000")
        else:
            raise AssertionError("DDL was taken")
        session.rollback()


def reading():
    with orm.Session(engine()) as session:
        session.execute(sa.update(Customer).where(Customer.id == 1).values(name="read me"))
        latest = (sa.select(Order.customer_id, sa.func.max(Order.id).label("last")).group_by(Order.customer_id).cte("latest"))
        rows = session.execute(sa.select(Customer.name, latest.c.last).join(latest, latest.c.customer_id == Customer.id)
                               .where(Customer.id == 1)).all()
        equal(rows[0][0], "read me")
        some = session.scalars(sa.select(Customer).where(Customer.orders.any(Order.total > 3))
                               .options(orm.selectinload(Customer.orders)).order_by(Customer.id).limit(3)).all()
        equal(all(c.orders for c in some), True)
        joined = session.scalars(sa.select(Customer).options(orm.joinedload(Customer.orders)).where(Customer.id <= 2)
                                 .order_by(Customer.id)).unique().all()
        equal(len(joined), 2)
        with session.connection().execution_options(stream_results=True, max_row_buffer=10).execute(
                sa.select(Customer.id).order_by(Customer.id)) as result:
            equal(result.fetchone()[0], 1)
        session.rollback()


def reflection():
    inspector = sa.inspect(engine())
    equal({"customers", "orders"} <= set(inspector.get_table_names()), True)
    columns = {c["name"]: c for c in inspector.get_columns("customers")}
    equal(columns["credit"]["nullable"], False)
    equal(inspector.get_pk_constraint("orders")["constrained_columns"], ["id"])
    equal(inspector.get_foreign_keys("orders")[0]["referred_table"], "customers")
    equal(inspector.get_unique_constraints("customers")[0]["column_names"], ["email"])
    table = sa.Table("orders", sa.MetaData(), autoload_with=engine())
    equal("total" in table.c, True)


def over_asyncpg():
    async def work():
        asynchronous = create_async_engine(url("asyncpg"), connect_args={"server_settings": {"pgdraft.session": SESSION}})
        async with AsyncSession(asynchronous) as session:
            customer = Customer(name="async orm", tags=["z"], data={"n": 1})
            session.add(customer)
            await session.commit()
            await session.refresh(customer)
            customer.credit = Decimal("5.55")
            await session.commit()
            found = await session.scalar(sa.select(Customer).where(Customer.name == "async orm"))
            equal((found.credit, found.tags), (Decimal("5.55"), ["z"]))
            await session.delete(found)
            await session.commit()
        await asynchronous.dispose()

    asyncio.run(asyncio.wait_for(work(), 60))


def leaves_its_name():
    with orm.Session(engine()) as session:
        session.add(Customer(name="from sqlalchemy"))
        session.commit()


main(unit_of_work, bulk, savepoints_and_errors, reading, reflection, over_asyncpg, leaves_its_name)
