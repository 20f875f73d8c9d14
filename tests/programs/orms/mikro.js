// MikroORM: the same steps on PostgreSQL and in a draft, a line of JSON each. URL [options].
const { MikroORM, EntitySchema, LockMode, raw } = require('@mikro-orm/postgresql');
const out = (...a) => console.log(JSON.stringify(a, (k, v) => typeof v === 'bigint' ? String(v) : v));
const step = async (n, f) => { try { const r = await f(); out(n, r === undefined ? null : r); } catch (e) { out(n, 'ERR', e.name, e.code, e.message.split('\n').pop(), e.detail, e.constraint); } };
class Author {} class Book {} class Genre {} class Item {} class Person {}
const A = new EntitySchema({ class: Author, tableName: 'authors', properties: { id: { type: 'integer', primary: true }, name: { type: 'text' }, email: { type: 'string', nullable: true, unique: true }, rating: { type: 'decimal', nullable: true }, books: { kind: '1:m', entity: 'Book', mappedBy: 'author' } } });
const B = new EntitySchema({ class: Book, tableName: 'books', properties: { id: { type: 'bigint', primary: true }, author: { kind: 'm:1', entity: 'Author', fieldName: 'author_id', nullable: true }, title: { type: 'text' }, tags: { type: 'array', nullable: true }, meta: { type: 'json', nullable: true }, published: { type: 'boolean', nullable: true }, genres: { kind: 'm:n', entity: 'Genre', pivotTable: 'book_genres', joinColumn: 'book_id', inverseJoinColumn: 'genre_id' } } });
const G = new EntitySchema({ class: Genre, tableName: 'genres', properties: { id: { type: 'integer', primary: true }, name: { type: 'text' } } });
const P = new EntitySchema({ class: Person, tableName: 'people', properties: { id: { type: 'integer', primary: true }, name: { type: 'text', nullable: true }, version: { type: 'integer', version: true, default: 1 }, parent: { kind: 'm:1', entity: 'Person', fieldName: 'parent_id', nullable: true } } });
(async () => {
const u = new URL(process.argv[2]);
const orm = await MikroORM.init({ entities: [A, B, G, P], host: u.hostname, port: +u.port, user: u.username, password: decodeURIComponent(u.password) || undefined, dbName: u.pathname.slice(1), driverOptions: process.argv[3] ? { connection: { options: process.argv[3] } } : {}, allowGlobalContext: true, ensureDatabase: false, debug: !!process.env.LOG });
const em = () => orm.em.fork();
await step('connected', () => orm.isConnected());
await step('create', async () => { const e = em(); const a = e.create(Author, { name: 'm', email: 'm@x', books: [{ title: 'b1', tags: ['x'], meta: { a: 1 } }, { title: 'b2' }] }); await e.flush(); return [a.id, a.books.getItems().map(b => [b.id, b.published])]; });
await step('find', async () => (await em().find(Author, { id: { $lt: 4 } }, { populate: ['books', 'books.genres'], orderBy: { id: 'asc', books: { id: 'asc', genres: { id: 'asc' } } } })));
await step('joined', async () => (await em().find(Author, { books: { title: { $like: '%1%' } } }, { populate: ['books'], strategy: 'joined', limit: 2, orderBy: { id: 'asc', books: { id: 'asc' } } })));
await step('selectin', async () => (await em().findAndCount(Book, { author: { name: 'author 3' } }, { populate: ['author'], strategy: 'select-in', orderBy: { id: 'asc' } })));
await step('update', async () => { const e = em(); const xs = await e.find(Book, { id: { $in: ['3', '4', '5'] } }, { orderBy: { id: 'asc' } }); xs.forEach((x, i) => { x.title += i; x.meta = { i }; }); await e.flush(); return e.fork().find(Book, { id: { $in: ['3', '4', '5'] } }, { orderBy: { id: 'asc' } }); });
await step('m2m', async () => { const e = em(); const b = await e.findOneOrFail(Book, '9', { populate: ['genres'] }); b.genres.set(await e.find(Genre, { id: [1, 2] })); await e.flush(); return (await e.fork().findOne(Book, '9', { populate: ['genres'], orderBy: { genres: { id: 1 } } })); });
await step('upsert', async () => { const e = em(); const x = await e.upsert(Author, { email: 'a1@x.org', name: 'ups' }); const y = await e.upsertMany(Author, [{ email: 'a2@x.org', name: 'u2' }, { email: 'u3', name: 'u3' }]); return [x.id, y.map(z => z.id), x.rating]; });
await step('remove', async () => { const e = em(); await e.removeAndFlush(await e.findOneOrFail(Book, '20')); return e.count(Book); });
await step('native', async () => { const e = em(); return [await e.nativeUpdate(Author, { id: 7 }, { name: 'nu' }), await e.nativeDelete(Book, { author: 8 }), await e.nativeInsert(Genre, { name: 'ni' })]; });
await step('qb', async () => em().qb(Book, 'b').select(['b.id', 'a.name']).leftJoin('b.author', 'a').where({ 'a.id': { $lte: 3 } }).orderBy({ 'b.id': 'asc' }).limit(4).execute());
await step('qbupd', async () => em().qb(Author).update({ rating: raw('rating + 1') }).where({ id: 3 }).returning(['id', 'rating']).execute());
await step('tx', async () => em().transactional(async e => { const p = await e.findOneOrFail(Person, 2, { lockMode: LockMode.PESSIMISTIC_WRITE }); p.name = 'locked'; await e.flush(); return p.version; }));
await step('optimistic', async () => { const e = em(), f = em(); const p = await e.findOneOrFail(Person, 3), q = await f.findOneOrFail(Person, 3); p.name = 'a'; await e.flush(); q.name = 'b'; await f.flush(); });
await step('uniq', async () => { const e = em(); e.create(Author, { name: 'd', email: 'a3@x.org' }); await e.flush(); });
await step('nested', async () => em().transactional(async e => { e.create(Genre, { name: 'n1' }); await e.flush(); try { await e.transactional(async f => { f.create(Genre, { name: 'n1' }); await f.flush(); }); } catch (x) { } return e.count(Genre); }));
await step('stream', async () => { const e = em(); return (await e.getConnection().execute('select count(*)::int c from books where author_id = ?', [2])); });
await step('diff', async () => (await orm.schema.getUpdateSchemaSQL({ safe: true, wrap: false })).split('\n').filter(x => x).sort());
await orm.close();
})();
