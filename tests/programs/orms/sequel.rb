# Sequel: its datasets and models on PostgreSQL, a line of JSON for each step. URL [options].
require "sequel"
require "json"
require "uri"

url = URI(ARGV[0])
DB = Sequel.connect(
  adapter: "postgres", host: url.host, port: url.port, user: url.user, database: url.path[1..],
  password: URI.decode_www_form_component(url.password.to_s), driver_options: { options: ARGV[1].to_s }
)
%i[pg_array pg_json pg_range pg_inet pg_enum pg_loose_count].each { |name| DB.extension name }
Sequel.extension :pg_array_ops, :pg_json_ops
Sequel.default_timezone = :utc

def step(name)
  value = yield
  puts JSON.generate([name, JSON.parse(value.to_json)])
rescue StandardError => e
  puts JSON.generate([name, "ERROR", e.class.name, e.message.lines.first(4)])
end

step("tables") { [DB.tables.sort, DB.views, DB.table_exists?(:authors), DB.table_exists?(:nothing)] }
DB.tables.sort.each do |table|
  step("schema #{table}") { DB.schema(table).map { |name, c| [name, c[:db_type], c[:type], c[:primary_key], c[:allow_null], c[:default], c[:auto_increment]] } }
  step("indexes #{table}") { [DB.indexes(table), DB.foreign_key_list(table), DB.check_constraints(table).keys.size, DB.primary_key(table), DB.primary_key_sequence(table)] }
end
step("server") { [DB.server_version > 130_000, DB.supports_savepoints?] }

authors, books, counters, items = DB[:authors], DB[:books], DB[:counters], DB[:items]
step("insert") { authors.insert(name: "sequel", email: "sequel@x") }
step("insert returning") { authors.returning(:id, :name).insert(name: "returned") }
step("multi_insert") { authors.returning(:id).multi_insert([{ name: "m1", email: "m1" }, { name: "m2", email: "m2" }]) }
step("import") { books.import(%i[author_id title tags], [[1, "one", Sequel.pg_array(%w[x y])], [2, "two", Sequel.pg_array([], :text)]], return: :primary_key) }
step("insert select") { DB[:genres].returning(:name).insert([:name], authors.where(id: 1..2).select(:name)) }
step("on conflict") { [counters.insert_conflict.insert(name: "a"), counters.insert_conflict(target: :name, update: { n: Sequel[:excluded][:n] + Sequel[:counters][:n] }).insert(name: "a", n: 10), counters.where(name: "a").get(:n)] }
step("on conflict where") { counters.returning.insert_conflict(constraint: :counters_pkey, update: { n: 0 }, update_where: { Sequel[:counters][:n] => 1 }).insert(name: "a", n: 10) }
step("unique") { authors.insert(name: "dup", email: "m1") }
step("check") { items.where(sku: "sku1").update(qty: -1) }
step("not null") { books.insert(author_id: 1, createdAt: Time.at(0), updatedAt: Time.at(0)) }
step("foreign key") { books.insert(author_id: 99_999, title: "nobody") }
step("update") { authors.where(id: 1..3).update(rating: Sequel[:rating] * 2) }
step("update returning") { authors.where(id: 1..2).returning(:id, :rating).update(name: "updated").map { |r| [r[:id], r[:rating].to_s] } }
step("update from") { DB[Sequel[:books].as(:b), Sequel[:authors].as(:a)].where(Sequel[:b][:author_id] => Sequel[:a][:id], Sequel[:a][:id] => 3).update(title: Sequel[:a][:name]) }
step("delete using") { DB[Sequel[:books].as(:b), Sequel[:authors].as(:a)].where(Sequel[:b][:author_id] => Sequel[:a][:id], Sequel[:a][:id] => 4).delete }
step("delete returning") { books.where(author_id: 5).returning(:title).delete }
step("with insert") { DB[:made].with(:made, counters.returning.with_sql(:insert_sql, name: "cte", n: 3)).all }
step("merge") { DB[:counters].merge_using(Sequel[:genres].as(:g), Sequel[:g][:name] => Sequel[:counters][:name]).merge_insert(name: Sequel[:g][:name], n: 7).merge }
step("merged") { counters.order(:name).select_map(%i[name n]) }
step("join") { books.join(:authors, id: :author_id).where(Sequel[:authors][:id] => 1).order(Sequel[:books][:id]).select_map([Sequel[:books][:title], Sequel[:authors][:name]]) }
step("lateral") { authors.where(id: 1..3).cross_join(books.where(author_id: Sequel[:authors][:id]).order(:id).limit(1).select(:title).lateral.as(:b)).order(Sequel[:authors][:id]).select_map([Sequel[:authors][:id], :title]) }
step("group") { books.group_and_count(:author_id).order(:author_id).limit(5).map(&:values) }
step("grouping sets") { books.group(:published, :author_id).grouping_sets([:published], []).select(:published).select_append { count(:id).as(:n) }.order(:published).map(&:values) }
step("window") { books.select { [id, row_number.function.over(partition: :author_id, order: :id).as(:nth)] }.order(:id).limit(5).map(&:values) }
step("distinct on") { books.distinct(:author_id).order(:author_id, :id).limit(4).select_map(:id) }
step("array") { books.where(Sequel.pg_array_op(:tags).contains(%w[t1])).count }
step("json") { [books.where(Sequel.pg_jsonb_op(:meta).get_text("lang") => "en").count, books.where(id: 1).update(meta: Sequel.pg_jsonb(a: [1, nil])), books.where(id: 1).get(:meta)] }
step("types") { DB[:people].returning(:id, :mood, :span, :full_name).insert(name: "s", mood: "happy", span: Sequel.pg_range(1...4), ips: Sequel.pg_array([IPAddr.new("10.0.0.1")], :inet)).map { |r| [r[:id], r[:mood], r[:span].begin, r[:full_name]] } }
step("blob") { items.insert(sku: "blob", qty: 1, data: Sequel.blob("\x00\xff'".b)); items.where(sku: "blob").get(:data).bytes }
step("recursive") { DB[:up].with_recursive(:up, DB[:people].where(id: 3), DB[:people].join(:up, parent_id: :id).select_all(:people)).select_map(:id) }
step("paged_each") { n = 0; books.order(:id).paged_each(rows_per_fetch: 7) { n += 1 }; n }
step("use_cursor") { n = 0; DB.transaction { books.order(:id).use_cursor(rows_per_fetch: 10).each { n += 1 } }; n }
step("copy in") { DB.copy_into(:genres, columns: [:name], data: %w[c1 c2].map { |l| "#{l}\n" }); DB[:genres].where(name: %w[c1 c2]).count }
step("copy out") { DB.copy_table(DB[:genres].select(:name).order(:name), format: :csv) }
step("prepared") { p = counters.where(name: :$name).prepare(:update, :set_n, n: :$n); [p.call(name: "a", n: 5), p.call(name: "b", n: 6), counters.order(:name).select_map(:n)] }
step("prepared insert") { p = DB[:genres].returning(:name).prepare(:insert, :add_genre, name: :$name); [p.call(name: "p1"), p.call(name: "p2")] }
step("transaction") { DB.transaction { counters.insert(name: "lost"); raise Sequel::Rollback }; counters.where(name: "lost").count }
step("savepoint") { DB.transaction { counters.insert(name: "kept"); DB.transaction(savepoint: true) { counters.insert(name: "gone"); raise Sequel::Rollback }; (DB.transaction(savepoint: true) { counters.insert(name: "kept") } rescue 0) }; counters.where(name: %w[kept gone]).select_map(:name) }
step("isolation") { DB.transaction(isolation: :serializable, read_only: true) { counters.insert(name: "read only") } }
step("deferred") { DB.transaction(deferrable: true, isolation: :serializable, read_only: true) { counters.count } }
step("for update") { DB.transaction { items.where(kind: "k1").order(:qty).limit(2).for_update.skip_locked.select_map(:sku) } }
step("lock") { DB.transaction { counters.lock("SHARE") { counters.count } } }
step("truncate") { DB[:book_genres].truncate; DB[:book_genres].count }
step("explain") { authors.where(id: 1).explain.size.positive? }

class Author < Sequel::Model(DB[:authors])
  one_to_many :books
  plugin :validation_helpers
  def validate = (super; validates_unique(:email); validates_presence(:name))
end
class Book < Sequel::Model(DB[:books])
  many_to_one :author
end
class Person < Sequel::Model(DB[:people])
  plugin :optimistic_locking, lock_column: :version
end
step("model") { a = Author.create(name: "model", email: "model@x"); a.add_book(title: "of model"); [a.books.map(&:title), a.update(name: "renamed").name] }
step("model invalid") { Author.create(name: "x", email: "model@x") }
step("model eager") { Author.where(id: 6..7).order(:id).eager(:books).all.map { |a| [a.id, a.books.map(&:title).sort] } }
step("model stale") { one, two = Person[1], Person[1]; one.update(name: "one"); two.update(name: "two") }
step("model destroy") { a = Author.first(email: "model@x"); a.destroy; [Book.where(author_id: a.id).count, Author[a.id]] }
step("error") { begin; DB[:authors].insert(name: "dup", email: "m1"); rescue Sequel::UniqueConstraintViolation => e; x = e.wrapped_exception.result; [x.error_field(PG::PG_DIAG_SQLSTATE), x.error_field(PG::PG_DIAG_CONSTRAINT_NAME), x.error_field(PG::PG_DIAG_TABLE_NAME), x.error_field(PG::PG_DIAG_SCHEMA_NAME), x.error_field(PG::PG_DIAG_MESSAGE_DETAIL)]; end }
