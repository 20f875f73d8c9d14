# Active Record: what a Rails application does all day, a line of JSON for each step. URL [options].
require "active_record"
require "json"
require "uri"

url, options = URI(ARGV[0]), ARGV[1].to_s
SETTINGS = {
  adapter: "postgresql", host: url.host, port: url.port, username: url.user, database: url.path[1..],
  password: URI.decode_www_form_component(url.password.to_s), pool: 4, options: options
}.freeze
ActiveRecord::Base.establish_connection(SETTINGS)
ActiveRecord.default_timezone = :utc if ActiveRecord.respond_to?(:default_timezone=)

def step(name)
  puts JSON.generate([name, yield])
rescue StandardError => e
  puts JSON.generate([name, "ERROR", e.class.name, e.message.lines.first(4)])
end

class Author < ActiveRecord::Base
  has_many :books, dependent: :destroy
  validates :name, presence: true
  validates :email, uniqueness: true, allow_nil: true
  before_save { self.rating = 0 if rating.nil? }
  self.record_timestamps = false
end
class Book < ActiveRecord::Base
  belongs_to :author, optional: true
  has_and_belongs_to_many :genres, join_table: "book_genres"
  scope :english, -> { where("meta->>'lang' = ?", "en") }
  self.record_timestamps = false
end
class Genre < ActiveRecord::Base
  has_and_belongs_to_many :books, join_table: "book_genres"
end
class Item < ActiveRecord::Base; end
class Counter < ActiveRecord::Base
  self.primary_key = "name"
end
class Person < ActiveRecord::Base
  self.locking_column = "version"
  belongs_to :parent, class_name: "Person", optional: true
  has_many :children, class_name: "Person", foreign_key: "parent_id"
end

CONNECTION = ActiveRecord::Base.connection
UUID = "00000000-0000-4000-8000-000000000001"

# The schema, as models and schema.rb read it.
step("tables") { [CONNECTION.tables.sort, CONNECTION.views, CONNECTION.data_sources.sort] }
CONNECTION.tables.sort.each do |table|
  step("columns #{table}") { CONNECTION.columns(table).map { |c| [c.name, c.sql_type, c.type, c.null, c.default, c.default_function, c.comment, c.array] } }
  step("keys #{table}") { [CONNECTION.primary_keys(table), CONNECTION.foreign_keys(table).map(&:to_h), CONNECTION.pk_and_sequence_for(table)&.map(&:to_s)] }
  step("indexes #{table}") { CONNECTION.indexes(table).map { |i| [i.name, i.columns, i.unique, i.where, i.using] } }
end
step("checks") { CONNECTION.check_constraints("items").map(&:to_h) }
step("dump") do
  stream = StringIO.new
  ActiveRecord::SchemaDumper.dump(CONNECTION, stream)
  stream.string.lines.grep(/create_table|t\.|foreign_key|enable/).map(&:strip)
end
step("settings") { [CONNECTION.current_schema, CONNECTION.schema_search_path, CONNECTION.encoding, CONNECTION.collation, CONNECTION.extensions, CONNECTION.schema_names, CONNECTION.max_identifier_length] }
step("supports") { [CONNECTION.supports_insert_on_conflict?, CONNECTION.supports_advisory_locks?, CONNECTION.active?] }

# Rows one by one.
step("create") { Author.create!(name: "ruby", email: "ruby@x").attributes.slice("id", "name", "rating") }
step("invalid") { Author.create!(name: nil) }
step("taken") { a = Author.new(name: "again", email: "ruby@x"); [a.save, a.errors.full_messages] }
step("unique") { Author.new(name: "again", email: "ruby@x").save(validate: false) }
step("after a failure") { Author.where(email: "ruby@x").count }
step("update") { a = Author.find_by!(email: "ruby@x"); a.update!(name: "ruby two", born: Date.new(2001, 2, 3)); a.reload.slice(:name, :born) }
step("changes") { a = Author.find(1); a.name = "changed"; [a.changes, a.save!, a.saved_changes.keys] }
step("types") { b = Book.create!(author_id: 1, title: "types", tags: ["a", "b,c", nil], meta: { deep: [1, nil, { x: "y" }] }, price: "12.34"); b.reload.slice(:tags, :meta, :price, :published) }
step("change in place") { b = Book.find_by!(title: "types"); b.tags << "more"; b.meta["n"] = 1; b.save!; b.reload.slice(:tags, :meta) }
step("enum range inet") { p = Person.create!(name: "typed", mood: "happy", ips: ["10.0.0.1", "10.0.0.0/8"], span: 1...5); p.reload.slice(:mood, :span, :full_name).merge(ips: p.ips.map(&:to_s)) }
step("bytes") { i = Item.create!(id: UUID, sku: "bytes", qty: 1, data: "\x00\xff'\\".b, at: Time.utc(2024, 1, 2, 3, 4, 5, 678_901)); i.reload; [i.data.bytes, i.at.iso8601(6)] }
step("uuid by default") { Item.create!(sku: "uuid", qty: 2).id.size }
step("check") { Item.find(UUID).update!(qty: -1) }
step("not null") { Book.new(author_id: 1, createdAt: Time.at(0), updatedAt: Time.at(0)).save(validate: false) }
step("foreign key") { Book.create!(author_id: 99_999, title: "nobody") }
step("too long") { Item.create!(sku: "x" * 40, qty: 1) }
step("generated") { CONNECTION.execute("UPDATE people SET full_name = 'x'") }
step("stale") { one, two = Person.find(2), Person.find(2); one.update!(name: "one"); two.update!(name: "two") }
step("version") { Person.find(2).slice(:name, :version) }
step("increment") { Counter.find("a").increment!(:n, 5).n }
step("update_counters") { [Counter.update_counters("a", n: 2), Counter.find("a").n] }
step("toggle") { Book.find(1).toggle!(:published); Book.find(1).published }
step("touch") { Author.find(2).touch(:updatedAt, time: Time.utc(2025, 1, 1)); Author.find(2).updatedAt.iso8601 }
step("destroy") { a = Author.find(4); [a.destroy.destroyed?, Book.where(author_id: 4).count] }
step("delete") { [Author.delete(5), Book.where(author_id: 5).count, Author.exists?(5)] }

# Many rows.
step("insert_all") { Author.insert_all!([{ name: "i1", email: "i1" }, { name: "i2", email: "i2" }], returning: %w[id name]).rows }
step("insert_all skips") { Author.insert_all([{ name: "i1", email: "i1" }, { name: "i3", email: "i3" }], unique_by: :email).rows.size }
step("upsert_all") { Author.upsert_all([{ name: "up1", email: "i1" }, { name: "up4", email: "i4" }], unique_by: :email).rows.size }
step("upserted") { Author.where("email LIKE 'i_'").order(:email).pluck(:name, :email) }
step("update_all") { Book.where(author_id: 8).update_all("title = title || '!', price = price * 2") }
step("update_all join") { Book.joins(:author).where(authors: { name: "author 9" }).update_all(title: "of nine") }
step("update_all ordered") { Book.where(author_id: 10).order(:id).limit(1).update_all(title: "first of ten") }
step("delete_all") { Book.where(author_id: 11).delete_all }
step("delete_by") { Book.joins(:author).where(authors: { id: 12 }).delete_all }
step("destroy_by") { Genre.create!(name: "gone"); Genre.destroy_by(name: "gone").map(&:name) }

# Queries.
step("join") { Book.joins(:author).where(authors: { id: 1..3 }).order(:id).pluck("books.title", "authors.name") }
step("includes") { Author.includes(books: :genres).where(id: 1..2).order(:id).map { |a| [a.name, a.books.sort_by(&:id).map { |b| [b.title, b.genres.map(&:name).sort] }] } }
step("eager_load") { Author.eager_load(:books).where("books.published").order("authors.id").map { |a| [a.id, a.books.map(&:id).sort] } }
step("left") { Author.left_joins(:books).group("authors.id").having("count(books.id) = 0").order(:id).pluck(:id) }
step("group") { Book.group(:author_id).order(:author_id).count.first(5) }
step("average") { [Author.average(:rating).to_s, Author.sum(:rating).to_s, Author.maximum(:born).to_s, Author.distinct.count(:rating)] }
step("json") { [Book.english.count, Book.where("meta @> ?", { lang: "de" }.to_json).count, Book.where("'t1' = ANY(tags)").count] }
step("in_batches") { Author.order(:id).in_batches(of: 7).map { |b| b.pluck(:id).size } }
step("find_each") { n = 0; Book.find_each(batch_size: 9) { n += 1 }; n }
step("or not merge") { Author.where(id: 1).or(Author.where(name: "i2")).where.not(email: nil).order(:id).pluck(:name) }
step("exists") { Author.where(Book.where("books.author_id = authors.id AND published").arel.exists).order(:id).pluck(:id) }
step("from") { Author.from(Author.where("id < 5"), :authors).order(:id).pluck(:id) }
step("window") { Book.select("id, row_number() OVER (PARTITION BY author_id ORDER BY id DESC) AS nth").order(:id).limit(5).map { |b| [b.id, b.nth] } }
step("recursive") { Person.find_by_sql("WITH RECURSIVE up AS (SELECT * FROM people WHERE id = 3 UNION ALL SELECT p.* FROM people p JOIN up ON up.parent_id = p.id) SELECT * FROM up ORDER BY id").map { |p| [p.id, p.name, p.version] } }
step("find_by_sql") { Author.find_by_sql(["SELECT id, name FROM authors WHERE id = :id", { id: 1 }]).map(&:attributes) }
step("select_all") { CONNECTION.select_all("SELECT count(*) AS n, max(id) > 20 AS more FROM authors").to_a }
step("exec_query") { CONNECTION.exec_query("SELECT name FROM authors WHERE id = $1", "of one", [ActiveRecord::Relation::QueryAttribute.new("id", 1, ActiveRecord::Type::Integer.new)], prepare: true).rows }
step("explain") { Author.where(id: 1).explain.lines.first.start_with?("EXPLAIN") }
step("genres") { b = Book.find(1); b.genres << Genre.find_or_create_by!(name: "essay"); b.genres.map(&:name).sort }
step("genres replaced") { b = Book.find(1); b.genre_ids = [1, 2]; b.reload.genre_ids.sort }
step("find_or_create") { [Counter.find_or_create_by!(name: "foc").n, Counter.create_or_find_by!(name: "foc").n] }

# Transactions.
step("rollback") { Author.transaction { Author.create!(name: "lost"); raise ActiveRecord::Rollback }; Author.where(name: "lost").count }
step("savepoint") do
  Author.transaction do
    Author.create!(name: "outer")
    Author.transaction(requires_new: true) { Author.create!(name: "inner"); raise ActiveRecord::Rollback }
    begin
      Author.transaction(requires_new: true) { Author.new(name: "dup", email: "i1").save(validate: false) }
    rescue ActiveRecord::RecordNotUnique => e
      puts JSON.generate(["caught", e.message.lines])
    end
  end
  Author.where(name: %w[outer inner dup]).pluck(:name)
end
step("isolation") { Author.transaction(isolation: :serializable) { Author.find(1).update!(rating: 4); Author.find(1).rating.to_s } }
step("lock") { Author.transaction { a = Author.lock.find(1); a.update!(rating: 5); a.with_lock("FOR NO KEY UPDATE") { a.rating.to_s } } }
step("skip locked") { Item.transaction { Item.where(kind: "k1").order(:qty).lock("FOR UPDATE SKIP LOCKED").limit(2).pluck(:sku) } }
step("advisory") { [CONNECTION.get_advisory_lock(42), CONNECTION.release_advisory_lock(42)] }
step("read only") { ActiveRecord::Base.while_preventing_writes { Author.create!(name: "no") } }
step("in a thread") { Thread.new { ActiveRecord::Base.connection_pool.with_connection { Author.where(name: "outer").count } }.value }

# The driver below: prepared statements, COPY, pipelines' neighbours, binary results.
step("without prepared") do
  ActiveRecord::Base.establish_connection(SETTINGS.merge(prepared_statements: false))
  [Author.find(1).name, Author.where(id: 1).update_all(name: "simple"), Author.find(1).name]
end
raw = ActiveRecord::Base.connection.raw_connection
step("copy in") do
  raw.copy_data("COPY genres (name) FROM STDIN") { %w[copied1 copied2].each { |n| raw.put_copy_data("#{n}\n") } }
  Genre.where("name LIKE 'copied%'").count
end
step("copy out") { lines = []; raw.copy_data("COPY (SELECT name FROM genres ORDER BY name) TO STDOUT CSV") { while (l = raw.get_copy_data) do lines << l end }; lines }
step("exec_params") { r = raw.exec_params("INSERT INTO genres (name) VALUES ($1) RETURNING name, ctid IS NULL AS n", ["params"]); [r.cmd_tuples, r.values, r.fields, r.ftype(0), r.fmod(0)] }
step("binary") { r = raw.exec_params("SELECT id, rating, tags FROM authors JOIN books USING (id) WHERE id = $1", [1], 1); [r.fformat(0), r.getvalue(0, 0).unpack1("N"), r.getvalue(0, 2).bytes.size] }
step("prepare") { raw.prepare("of", "UPDATE counters SET n = n + $1 WHERE name = $2 RETURNING n"); [raw.exec_prepared("of", [1, "b"]).values, raw.exec_prepared("of", [2, "b"]).values, raw.describe_prepared("of").nparams] }
step("single row") { raw.send_query("SELECT id FROM authors ORDER BY id LIMIT 3"); raw.set_single_row_mode; rows = []; while (r = raw.get_result) do r.check; rows.concat(r.values) end; rows }
step("several") { raw.exec("UPDATE counters SET n = 0 WHERE name = 'b'; SELECT n FROM counters WHERE name = 'b'").values }
step("error fields") do
  raw.exec("INSERT INTO authors (name, email) VALUES ('dup', 'i1')")
rescue PG::Error => e
  %w[SEVERITY SQLSTATE MESSAGE_PRIMARY MESSAGE_DETAIL MESSAGE_HINT STATEMENT_POSITION SCHEMA_NAME TABLE_NAME COLUMN_NAME CONSTRAINT_NAME].map { |f| e.result.error_field(PG.const_get("PG_DIAG_#{f}")) }
end
step("listen") { raw.exec("LISTEN of_ruby"); raw.exec("UNLISTEN *").cmd_status }
step("status") { [raw.transaction_status, raw.parameter_status("TimeZone"), raw.server_version > 130_000] }
