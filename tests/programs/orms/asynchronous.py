# Tortoise and Piccolo: the same steps on PostgreSQL and in a draft, a line of JSON each. URL [options].
import sys, json, asyncio
url=sys.argv[1]; opt=sys.argv[2] if len(sys.argv)>2 else ''
from urllib.parse import unquote, urlparse
u=urlparse(url)
def out(*a): print(json.dumps(a,default=lambda o: repr(o) if not hasattr(o,'isoformat') else o.isoformat()))
async def astep(n,c):
    try: out(n,await c())
    except Exception as e: out(n,'ERR',type(e).__name__,getattr(e,'sqlstate',None),str(e).split('\n')[:4])
from tortoise import Tortoise, fields, models
from tortoise.expressions import F, Q, Subquery, RawSQL
from tortoise.functions import Count, Sum, Max, Lower
from tortoise.transactions import in_transaction
class Author(models.Model):
    id=fields.IntField(primary_key=True); name=fields.TextField(); email=fields.CharField(200,null=True,unique=True); rating=fields.DecimalField(5,2,null=True)
    books: fields.ReverseRelation['Book']
    class Meta: table='authors'
class Genre(models.Model):
    id=fields.IntField(primary_key=True); name=fields.TextField()
    class Meta: table='genres'
class Book(models.Model):
    id=fields.BigIntField(primary_key=True); author=fields.ForeignKeyField('m.Author',related_name='books',null=True); title=fields.TextField(); meta=fields.JSONField(default=dict); published=fields.BooleanField(default=False)
    genres=fields.ManyToManyField('m.Genre',through='book_genres',forward_key='genre_id',backward_key='book_id',related_name='books')
    class Meta: table='books'
class Counter(models.Model):
    name=fields.TextField(primary_key=True); n=fields.IntField(default=0)
    class Meta: table='counters'
async def main():
    cred=dict(host=u.hostname,port=u.port,user=u.username,password=unquote(u.password or ''),database=u.path[1:])
    if opt: cred['server_settings']={'pgdraft.session':opt.split('=')[1]}
    await Tortoise.init(config={'connections':{'default':{'engine':'tortoise.backends.asyncpg','credentials':cred}},'apps':{'m':{'models':[__name__],'default_connection':'default'}}})
    async def s1(): a=await Author.create(name='t',email='t'); b=await Book.create(title='tt',author=a,meta={'x':1}); g=await Genre.get(id=1); await b.genres.add(g); return [a.id,b.id,await b.genres.all().values()]
    await astep('t1',s1)
    async def s2(): return [await Book.filter(author__name__icontains='author 1',published=False).order_by('id').limit(4).values('id','title','author__name'), await Author.annotate(n=Count('books')).filter(n__gt=2).order_by('id').limit(3).values('id','n')]
    await astep('t2',s2)
    async def s3(): return [await Book.filter(id__lt=5).update(title='U'), await Counter.filter(name='a').update(n=F('n')+3), await Counter.all().order_by('name').values(), await Book.filter(id__in=[6,7]).delete()]
    await astep('t3',s3)
    async def s4(): await Counter.bulk_create([Counter(name='a',n=9),Counter(name='bc',n=9)],on_conflict=['name'],update_fields=['n']); await Counter.bulk_create([Counter(name='a',n=10)],ignore_conflicts=True); x=await Counter.all().order_by('name'); [setattr(c,'n',c.n+1) for c in x]; await Counter.bulk_update(x,['n']); return await Counter.all().order_by('name').values()
    await astep('t4',s4)
    async def s5(): return [(await Counter.get_or_create(name='goc'))[1],(await Counter.update_or_create(name='goc',defaults={'n':5}))[1],[ (a.name,[b.title for b in a.books]) for a in await Author.filter(id__lt=4).order_by('id').prefetch_related('books')]]
    await astep('t5',s5)
    async def s6():
        async with in_transaction() as c:
            x=await Counter.filter(name='a').select_for_update(skip_locked=True).using_db(c).get(); x.n=100; await x.save(using_db=c)
            try:
                async with in_transaction() as c2: await Counter.create(name='a',using_db=c2)
            except Exception as e: out('inner',type(e).__name__,str(e))
        return await Counter.get(name='a').values()
    await astep('t6',s6)
    await astep('t7',lambda:Counter.create(name='a'))
    async def s8(): return await Book.filter(meta__contains={'lang':'en'}).count()
    await astep('t8',s8)
    async def s9(): return await Book.filter(id__in=Subquery(Book.filter(author_id=2).values('id'))).explain()
    async def s10(): a=await Author.get(id=4); await a.delete(); return await Book.filter(author_id=4).count()
    await astep('t10',s10)
    await Tortoise.close_connections()
    from piccolo.engine.postgres import PostgresEngine
    from piccolo.table import Table
    from piccolo import columns as C
    cfg=dict(host=u.hostname,port=u.port,user=u.username,password=unquote(u.password or ''),database=u.path[1:])
    if opt: cfg['server_settings']={'pgdraft.session':opt.split('=')[1]}
    DB=PostgresEngine(config=cfg)
    class Authors(Table,tablename='authors',db=DB):
        id=C.Serial(primary_key=True); name=C.Text(); email=C.Varchar(length=200,null=True)
    class Books(Table,tablename='books',db=DB):
        id=C.BigSerial(primary_key=True); author_id=C.ForeignKey(Authors); title=C.Text(); meta=C.JSONB(); tags=C.Array(C.Text())
    class Counters(Table,tablename='counters',db=DB):
        name=C.Text(primary_key=True); n=C.Integer()
    await astep('p1',lambda:Counters.insert(Counters(name='pi',n=1),Counters(name='a',n=4)).on_conflict(action='DO UPDATE',target=Counters.name,values=[Counters.n]).returning(*Counters.all_columns()).run())
    async def q(x): return await x
    await astep('p2',lambda:q(Books.select(Books.id,Books.title,Books.author_id.name).where(Books.meta.arrow('lang')=='en').order_by(Books.id).limit(4)))
    await astep('p3',lambda:q(Books.update({Books.title:Books.title+'!',Books.tags:['z']}).where(Books.id<12).returning(Books.id,Books.title)))
    await astep('p4',lambda:q(Books.delete().where(Books.id==13).returning(Books.id)))
    async def p5():
        async with DB.transaction():
            c=await Counters.objects().get(Counters.name=='a').lock_rows('UPDATE') if hasattr(Counters.objects().get(Counters.name=='a'),'lock_rows') else await Counters.objects().get(Counters.name=='a')
            c.n=55; await c.save()
            async with DB.transaction() as t: pass
        return await Counters.select().order_by(Counters.name)
    await astep('p5',p5)
    await astep('p6',lambda:q(Counters.count()))
    async def p7():
        async with await Books.select(Books.id).order_by(Books.id).batch(batch_size=10) as b:
            return [len(x) async for x in b]
    await astep('p7',p7)
asyncio.run(main())
