# peewee, Pony, SQLAlchemy (reflection, automap), pandas, Alembic, dataset, SQLModel, asyncpg, databases: the same
# steps on PostgreSQL and in a draft, a line of JSON each. URL [options].
import sys, json, traceback, datetime, asyncio, warnings
warnings.filterwarnings('ignore')
url=sys.argv[1]; opt=sys.argv[2] if len(sys.argv)>2 else ''
from urllib.parse import unquote, urlparse
u=urlparse(url); kw=dict(host=u.hostname,port=u.port,user=u.username,password=unquote(u.password or ''))
db=u.path[1:]
def out(*a): print(json.dumps(a,default=lambda o: repr(o) if not hasattr(o,'isoformat') else o.isoformat()))
def step(n,f):
    try: out(n,f())
    except Exception as e:
        o=getattr(e,'orig',None) or (e.__cause__ or e)
        out(n,'ERR',type(e).__name__,getattr(o,'sqlstate',None) or getattr(o,'pgcode',None),str(o).split('\n')[:4])
# ---- peewee
import peewee as pw
from playhouse.postgres_ext import PostgresqlExtDatabase, ArrayField, BinaryJSONField
from playhouse.reflection import Introspector, generate_models
from playhouse.dataset import DataSet
pdb=PostgresqlExtDatabase(db,options=opt,**kw)
class B(pw.Model):
    class Meta: database=pdb
class Author(B):
    id=pw.AutoField(); name=pw.TextField(); email=pw.CharField(null=True,unique=True); rating=pw.DecimalField(max_digits=5,decimal_places=2,null=True,default=1.5)
    class Meta: table_name='authors'
class Book(B):
    id=pw.BigAutoField(); author=pw.ForeignKeyField(Author,backref='books',column_name='author_id'); title=pw.TextField(); tags=ArrayField(pw.TextField,default=list); meta=BinaryJSONField(default=dict); published=pw.BooleanField(default=False)
    class Meta: table_name='books'
class Counter(B):
    name=pw.TextField(primary_key=True); n=pw.IntegerField(default=0)
    class Meta: table_name='counters'
class Item(B):
    id=pw.UUIDField(primary_key=True); sku=pw.CharField(); qty=pw.IntegerField(); kind=pw.TextField(null=True); data=pw.BlobField(null=True)
    class Meta: table_name='items'
step('pw create',lambda:Author.create(name='pw',email='pw').id)
step('pw insert_many',lambda:[x.id for x in Author.insert_many([{'name':'m1','email':'m1'},{'name':'m2','email':'m2'}]).returning(Author.id).execute()])
step('pw conflict',lambda:Author.insert(name='m1x',email='m1').on_conflict(conflict_target=[Author.email],preserve=[Author.name],update={Author.rating:Author.rating+1}).execute())
step('pw ignore',lambda:Counter.insert(name='a').on_conflict_ignore().execute())
step('pw update',lambda:Author.update(rating=Author.rating*2).where(Author.id<5).execute())
step('pw update ret',lambda:[(x.id,str(x.rating)) for x in Author.update(rating=9).where(Author.id<3).returning(Author).execute()])
step('pw upd from',lambda:Book.update(title=Author.name).from_(Author).where((Book.author==Author.id)&(Author.id==3)).execute())
step('pw bulk_update',lambda:(lambda xs:[setattr(x,'title',x.title+'#') for x in xs] and Book.bulk_update(xs,fields=[Book.title],batch_size=3))(list(Book.select().where(Book.id<8).order_by(Book.id))))
step('pw get_or_create',lambda:[(c.name,m) for c,m in (Counter.get_or_create(name='goc',defaults={'n':4}),Counter.get_or_create(name='goc'))])
step('pw join',lambda:[(b.id,b.author.name,b.tags,b.meta) for b in Book.select(Book,Author).join(Author).where(Author.id==3).order_by(Book.id)])
step('pw prefetch',lambda:[(a.id,[b.title for b in a.books]) for a in pw.prefetch(Author.select().where(Author.id<4).order_by(Author.id),Book.select().order_by(Book.id))])
step('pw agg',lambda:list(Book.select(Book.author,pw.fn.COUNT(Book.id),pw.fn.MAX(Book.title)).group_by(Book.author).having(pw.fn.COUNT(Book.id)>2).order_by(Book.author).tuples()))
step('pw json',lambda:[b.id for b in Book.select().where((Book.meta['lang']=='en')&(Book.tags.contains('t1'))).order_by(Book.id)])
step('pw cte',lambda:(lambda c:list(Book.select(Book.id,c.c.n).join(c,on=(Book.author_id==c.c.author_id)).with_cte(c).order_by(Book.id).limit(5).tuples()))(Book.select(Book.author_id,pw.fn.count(Book.id).alias('n')).group_by(Book.author_id).cte('c')))
step('pw window',lambda:list(Book.select(Book.id,pw.fn.row_number().over(partition_by=[Book.author],order_by=[Book.id])).order_by(Book.id).limit(6).tuples()))
step('pw delete inst',lambda:Author.get_by_id(6).delete_instance(recursive=True))
step('pw delete',lambda:Book.delete().where(Book.id.in_(Book.select(Book.id).where(Book.author==7).limit(1))).execute())
def at():
    with pdb.atomic() as t:
        Counter.create(name='at')
        try:
            with pdb.atomic(): Counter.create(name='at')
        except pw.IntegrityError as e: out('inner',str(e).split('\n'))
        t.rollback()
    return Counter.select().where(Counter.name=='at').count()
step('pw atomic',at)
step('pw for update',lambda:(lambda:[pdb.begin(),[i.sku for i in Item.select().where(Item.kind=='k1').order_by(Item.qty).limit(2).for_update('FOR UPDATE SKIP LOCKED')],pdb.rollback()])()[1])
step('pw server side',lambda:len(list(pw.Select.iterator(Book.select()) if False else Book.select().iterator())))
step('pw reflect',lambda:sorted((n,sorted((f.name,type(f).__name__,f.null,f.primary_key,f.unique) for f in m._meta.sorted_fields)) for n,m in Introspector.from_database(pdb).generate_models().items()))
step('pw indexes',lambda:[pdb.get_indexes('authors'),pdb.get_foreign_keys('books'),pdb.get_primary_keys('book_genres'),pdb.get_tables(),pdb.get_columns('people'),pdb.get_views()])
step('pw create existing',lambda:pdb.create_tables([Counter],safe=True))
pdb.close()
# ---- pony
from pony import orm
pdb2=orm.Database()
class Cnt(pdb2.Entity):
    _table_='counters'; name=orm.PrimaryKey(str); n=orm.Required(int)
class Gen(pdb2.Entity):
    _table_='genres'; id=orm.PrimaryKey(int,auto=True); name=orm.Required(str,unique=True); books=orm.Set('Bk',table='book_genres',column='book_id')
class Au(pdb2.Entity):
    _table_='authors'; id=orm.PrimaryKey(int,auto=True); name=orm.Required(str); email=orm.Optional(str,nullable=True); books=orm.Set('Bk')
class Bk(pdb2.Entity):
    _table_='books'; id=orm.PrimaryKey(int,size=64,auto=True); author=orm.Optional(Au,column='author_id'); title=orm.Required(str); meta=orm.Optional(orm.Json); tags=orm.Optional(orm.StrArray); genres=orm.Set(Gen,column='genre_id')
def pbind(): pdb2.bind('postgres',database=db,options=opt,**kw); pdb2.generate_mapping(create_tables=False,check_tables=True)
step('pony bind',pbind)
@orm.db_session
def p1():
    a=Au(name='pony',email='pony'); b=Bk(author=a,title='pt',meta={'a':1},tags=['q']); orm.flush(); b.genres.add(Gen[1]); Cnt['a'].n+=5; orm.commit()
    return a.id is not None,[x.name for x in b.genres], Cnt['a'].n
step('pony 1',p1)
@orm.db_session
def p2(): return [sorted((a.name,orm.count(a.books)) for a in orm.select(a for a in Au if orm.count(a.books)>2))[:4], orm.max(b.id for b in Bk)>3, orm.select((b.author.name,orm.count(b)) for b in Bk if b.meta['lang']=='en').order_by(1)[:3]]
step('pony 2',p2)
@orm.db_session
def p3(): Bk[5].delete(); orm.delete(b for b in Bk if b.id==12); x=Cnt.get_for_update(name='b'); x.n=77; orm.flush(); return Cnt['b'].n, Gen[2].books.count()
step('pony 3',p3)
@orm.db_session(optimistic=True)
def p4(): Cnt(name='a',n=1)
step('pony dup',p4)
# ---- sqlmodel / reflection / pandas / dataset / alembic
import sqlalchemy as sa
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session
eng=sa.create_engine(url.replace('postgres://','postgresql+psycopg://'),connect_args={'options':opt} if opt else {})
def refl():
    i=sa.inspect(eng); r={}
    for t in i.get_table_names():
        r[t]=[ [(c['name'],str(c['type']),c['nullable'],c['default'],c.get('identity') and c['identity'].get('always'),c.get('computed')) for c in i.get_columns(t)], i.get_pk_constraint(t), sorted(i.get_foreign_keys(t),key=str), sorted(i.get_unique_constraints(t),key=str), sorted(i.get_indexes(t),key=str), i.get_check_constraints(t), i.get_table_comment(t)]
    return [r,i.get_view_names(),i.get_enums(),i.get_sequence_names(),i.get_materialized_view_names(),i.has_table('books'),i.get_temp_table_names()]
step('sa reflect',refl)
def auto():
    Base=automap_base(); Base.prepare(autoload_with=eng)
    with Session(eng) as s:
        A=Base.classes.authors; Bo=Base.classes.books
        a=A(name='auto',email='auto'); a.books_collection.append(Bo(title='ab')) ; s.add(a); s.commit()
        n=s.query(Bo).join(A).filter(A.name=='auto').count()
        x=s.get(A,2); x.rating=5; s.delete(s.get(Bo,20)); s.commit()
        return [sorted(Base.classes.keys()),n,[ (b.id,b.title) for b in s.get(A,2).books_collection]]
step('sa automap',auto)
import pandas as pd
step('pd read',lambda:pd.read_sql('select id,title,price,"createdAt" is null x from books order by id limit 3',eng).to_dict('records'))
step('pd append',lambda:[pd.DataFrame({'name':['pd1','pd2'],'n':[1,2]}).to_sql('counters',eng,if_exists='append',index=False),pd.DataFrame({'name':['pd3','pd4'],'n':[1,2]}).to_sql('counters',eng,if_exists='append',index=False,method='multi'),pd.read_sql_table('counters',eng).sort_values('name').to_dict('records')])
from alembic.migration import MigrationContext
from alembic.autogenerate import compare_metadata
def alem():
    m=sa.MetaData(); m.reflect(eng)
    with eng.connect() as c: return [str(d) for d in compare_metadata(MigrationContext.configure(c),m)]
step('alembic',alem)
import dataset
def ds():
    d=dataset.connect(url.replace('postgres://','postgresql+psycopg://'),ensure_schema=False,engine_kwargs={'connect_args':{'options':opt}} if opt else {})
    t=d['counters']; t.insert({'name':'ds','n':3},ensure=False); t.upsert({'name':'ds','n':4},['name'],ensure=False); t.update({'name':'a','n':1},['name'],ensure=False); t.delete(name='b')
    return [d.tables, list(map(dict,t.find(order_by='name'))), t.find_one(name='ds')['n'], t.count()]
step('dataset',ds)
from sqlmodel import SQLModel, Field, select, Session as SMS
class C2(SQLModel,table=True):
    __tablename__='counters'; name:str=Field(primary_key=True); n:int=0
def sm():
    with SMS(eng) as s:
        s.add(C2(name='sm',n=1)); s.commit(); c=s.exec(select(C2).where(C2.name=='sm')).one(); c.n+=1; s.add(c); s.commit(); s.refresh(c); s.delete(s.get(C2,'a')); s.commit(); return [x.model_dump() for x in s.exec(select(C2).order_by(C2.name)).all()]
step('sqlmodel',sm)
# ---- async: tortoise, piccolo, databases, asyncpg
async def main():
    from tortoise import Tortoise, fields, models, run_async, functions as F, expressions as E, transactions as T
    async def astep(n,c):
        try: out(n,await c())
        except Exception as e: out(n,'ERR',type(e).__name__,getattr(e,'sqlstate',None),str(e).split('\n')[:4])
    import asyncpg
    async def ap():
        c=await asyncpg.connect(url,server_settings={} ,**({} ) ) if not opt else await asyncpg.connect(url+'?options='+opt.replace(' ','%20').replace('=','%3D'))
        r=[await c.fetch('select id,tags,meta,price,published from books where id<3 order by id')]
        r.append(await c.copy_records_to_table('counters',records=[('ap1',1),('ap2',2)],columns=['name','n']))
        r.append(await c.executemany('insert into counters values($1,$2) on conflict (name) do update set n=excluded.n+1',[('ap1',5),('ap3',6)]))
        async with c.transaction():
            cur=await c.cursor('select id from books order by id'); r.append(await cur.fetch(3)); r.append(await cur.forward(2)); r.append(await cur.fetchrow())
            async for x in c.cursor('select name,n from counters order by 1',prefetch=2): r.append(x)
        st=await c.prepare('update items set qty=qty+$1 where sku=any($2) returning sku,qty,kind'); r.append([(a.name,a.type.name) for a in st.get_attributes()]); r.append([p.name for p in st.get_parameters()]); r.append(await st.fetch(1,['sku7','sku8'])); r.append(st.get_statusmsg())
        r.append(await c.fetchmany('insert into counters values($1,$2) returning n',[('fm1',1),('fm2',2)]))
        r.append([x.name for x in st.get_attributes()])
        import io; b=io.BytesIO(); r.append(await c.copy_from_query('select name,n from counters order by 1',output=b,format='csv')); r.append(b.getvalue().decode())
        await c.set_type_codec('jsonb',encoder=json.dumps,decoder=json.loads,schema='pg_catalog'); r.append(await c.fetchval("select meta from books where id=2"))
        r.append(await c.fetch("select mood, ips, span from people order by id"))
        await c.close(); return [str(x) for x in r]
    await astep('asyncpg',ap)
    import databases
    async def dbs():
        d=databases.Database(url.replace('postgres://','postgresql://')+(('?options='+opt.replace(' ','%20').replace('=','%3D')) if opt else ''))
        await d.connect()
        async with d.transaction(): await d.execute("insert into counters(name,n) values(:n,:v)",{'n':'dbs','v':1})
        await d.execute_many("insert into counters(name,n) values(:n,:v)",[{'n':'dbs2','v':1},{'n':'dbs3','v':1}])
        r=[dict(x._mapping) for x in await d.fetch_all("select * from counters where name like 'dbs%' order by 1")]; await d.disconnect(); return r
    await astep('databases',dbs)
asyncio.run(main())
