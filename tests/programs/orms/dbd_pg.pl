# DBD::Pg: placeholders, server-side prepare, COPY, savepoints, catalog calls, a line of JSON for each step.
# URL [options].
use strict;
use warnings;
use DBI qw(:sql_types);
use DBD::Pg qw(:pg_types :async);
use JSON::PP;

my ($url, $options) = @ARGV;
my ($user, $password, $host, $port, $database) = $url =~ m{^postgres://([^:@]+)(?::([^@]*))?\@([^:]+):(\d+)/(.+)$};
$password = defined $password ? $password =~ s/%([0-9a-f]{2})/chr hex $1/gier : '';
my $source = "dbi:Pg:dbname=$database;host=$host;port=$port" . ($options ? ";options='$options'" : '');
my %settings = (RaiseError => 1, PrintError => 0, AutoCommit => 1);
my $dbh = DBI->connect($source, $user, $password, \%settings);
my $json = JSON::PP->new->canonical->allow_nonref->allow_blessed;

sub step {
    my ($name, $work) = @_;
    my $value = eval { $work->() };
    if ($@) {
        my @lines = split /\n/, $@;
        print $json->encode([$name, 'ERROR', $dbh->state, $lines[0] =~ s/ at \S+ line \d+\.?$//r]), "\n";
    } else {
        print $json->encode([$name, $value]), "\n";
    }
}
sub rows { [map { [map { defined $_ && !ref $_ ? "$_" : $_ } @$_] } @{ $_[0] }] }

# The catalog, as DBI shows it.
step('tables', sub { [sort grep { /^public\./ } $dbh->tables('', 'public', '%', 'TABLE')] });
for my $table (qw(authors book_genres books counters items people)) {
    step("columns $table", sub { rows([map { [@$_[2, 3, 4, 5, 6, 10, 12, 13, 16]] } @{ $dbh->column_info('', 'public', $table, '%')->fetchall_arrayref }]) });
    step("key $table", sub { [$dbh->primary_key('', 'public', $table)] });
    step("foreign $table", sub { my $s = $dbh->foreign_key_info(undef, undef, undef, undef, 'public', $table); $s ? rows([map { [@$_[2, 3, 6, 7, 11]] } @{ $s->fetchall_arrayref }]) : [] });
    step("statistics $table", sub { rows([sort { "@$a[2, 4]" cmp "@$b[2, 4]" } map { [@$_[2, 3, 5, 6, 7, 8]] } grep { defined $_->[5] } @{ $dbh->statistics_info(undef, 'public', $table, 0, 0)->fetchall_arrayref }]) });
}
step('types', sub { scalar(@{ [$dbh->type_info(SQL_INTEGER)] }) > 0 });
step('ping', sub { [$dbh->ping > 0, $dbh->{pg_server_version} > 130000, $dbh->{pg_lib_version} > 100000] });

# Writing.
step('do', sub { $dbh->do('INSERT INTO authors (name, email) VALUES (?, ?)', undef, 'perl', 'perl@x') });
step('last_insert_id', sub { $dbh->last_insert_id(undef, 'public', 'authors', undef) });
step('returning', sub { rows($dbh->selectall_arrayref('INSERT INTO authors (name, email) VALUES (?, ?), (?, ?) RETURNING id, name', undef, 'p1', 'p1', 'p2', 'p2')) });
step('update', sub { $dbh->do('UPDATE authors SET rating = rating + $1 WHERE id < $2', undef, '1.25', 4) });
step('named', sub { my $s = $dbh->prepare('UPDATE authors SET name = :name WHERE id = :id RETURNING name'); $s->bind_param(':name', 'named'); $s->bind_param(':id', 1); $s->execute; [$s->rows, rows($s->fetchall_arrayref)] });
step('delete', sub { [$dbh->do('DELETE FROM books WHERE author_id = 4'), $dbh->do('DELETE FROM books WHERE author_id = 4')] });
step('cascade', sub { [$dbh->do('DELETE FROM authors WHERE id = 5'), @{ $dbh->selectcol_arrayref('SELECT count(*) FROM books WHERE author_id = 5') }] });
step('conflict', sub { rows($dbh->selectall_arrayref('INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = counters.n + excluded.n RETURNING n', undef, 'a', 10)) });
step('merge', sub { $dbh->do("MERGE INTO counters c USING genres g ON g.name = c.name WHEN MATCHED THEN UPDATE SET n = 1 WHEN NOT MATCHED THEN INSERT VALUES (g.name, 7)") });
step('with', sub { rows($dbh->selectall_arrayref("WITH gone AS (DELETE FROM counters WHERE n = 7 RETURNING name), made AS (INSERT INTO genres (name) SELECT name || '2' FROM gone RETURNING name) SELECT name FROM made ORDER BY name")) });
step('many', sub { my $s = $dbh->prepare('INSERT INTO genres (name) VALUES (?)'); my $n = $s->execute_array({ ArrayTupleStatus => \my @status }, [map { "g$_" } 1 .. 5]); [$n, "@status"] });
step('prepared many times', sub { my $s = $dbh->prepare('SELECT name FROM genres WHERE id = ?'); my @names; for my $id (1 .. 4, 1) { $s->execute($id); push @names, $s->fetchrow_array } \@names });
step('prepare now', sub { my $s = $dbh->prepare('UPDATE counters SET n = n + ? WHERE name = ?', { pg_prepare_now => 1 }); [map { $s->execute($_, 'b') } 1 .. 3, $dbh->selectrow_array("SELECT n FROM counters WHERE name = 'b'")] });
step('client side', sub { my $s = $dbh->prepare('SELECT name FROM authors WHERE id = ?', { pg_server_prepare => 0 }); $s->execute(1); $s->fetchrow_array });
step('array', sub { $dbh->do('UPDATE books SET tags = ? WHERE id = 1', undef, ['a', 'b,c', undef]); $dbh->selectrow_arrayref('SELECT tags, array_length(tags, 1) FROM books WHERE id = 1') });
step('bytea', sub { my $s = $dbh->prepare("INSERT INTO items (sku, qty, data) VALUES ('bytes', 1, ?) RETURNING data"); $s->bind_param(1, "\x00\xff'\\", { pg_type => PG_BYTEA }); $s->execute; unpack 'H*', $s->fetchrow_array });
step('typed', sub { my $s = $dbh->prepare('INSERT INTO people (name, mood, span, ips) VALUES (?, ?, ?, ?) RETURNING name, mood, span, ips, full_name'); $s->execute('typed', 'happy', '[1,5)', '{10.0.0.1,10.0.0.0/8}'); rows($s->fetchall_arrayref) });
step('json', sub { $dbh->selectall_arrayref("SELECT id, meta->>'lang' FROM books WHERE meta \\? 'lang' AND id < 5 ORDER BY id") });
step('described', sub { my $s = $dbh->prepare('SELECT id, name, rating, born, "createdAt" FROM authors WHERE id = ?'); $s->execute(1); [$s->{NAME}, $s->{TYPE}, $s->{PRECISION}, $s->{SCALE}, $s->{NULLABLE}, $s->{pg_type}] });

# Reading.
step('join', sub { rows($dbh->selectall_arrayref('SELECT b.id, b.title, a.name, b.price FROM books b JOIN authors a ON a.id = b.author_id WHERE a.id < 4 ORDER BY b.id')) });
step('hash', sub { $dbh->selectall_hashref('SELECT name, n FROM counters', 'name') });
step('aggregate', sub { rows($dbh->selectall_arrayref('SELECT author_id, count(*), max(title) FILTER (WHERE published), array_agg(id ORDER BY id) FROM books GROUP BY ROLLUP (author_id) HAVING count(*) > 2 ORDER BY 1 NULLS LAST LIMIT 5')) });
step('cursor', sub { $dbh->begin_work; $dbh->do('DECLARE walking CURSOR FOR SELECT id FROM authors ORDER BY id'); my $rows = rows($dbh->selectall_arrayref('FETCH 4 FROM walking')); $dbh->do('UPDATE authors SET rating = 3 WHERE CURRENT OF walking'); my $moved = $dbh->do('MOVE 2 FROM walking'); $dbh->do('CLOSE walking'); $dbh->commit; [$rows, "$moved"] });
step('async', sub { my $s = $dbh->prepare('SELECT count(*) FROM authors WHERE rating = ?', { pg_async => PG_ASYNC }); $s->execute(3); $s->pg_result; $s->fetchrow_array });
step('cancelled', sub { my $s = $dbh->prepare('SELECT pg_sleep(20)', { pg_async => PG_ASYNC }); $s->execute; $s->pg_cancel ? 'cancelled' : 'done' });

# Transactions.
step('rollback', sub { $dbh->begin_work; $dbh->do("INSERT INTO counters VALUES ('lost', 1)"); $dbh->rollback; $dbh->selectrow_array("SELECT count(*) FROM counters WHERE name = 'lost'") });
step('savepoints', sub {
    $dbh->begin_work;
    $dbh->do("INSERT INTO counters VALUES ('kept', 1)");
    $dbh->pg_savepoint('one');
    $dbh->do("INSERT INTO counters VALUES ('gone', 1)");
    $dbh->pg_rollback_to('one');
    my $failed = eval { $dbh->do("INSERT INTO counters VALUES ('kept', 1)"); 0 } // $dbh->state;
    $dbh->pg_rollback_to('one');
    $dbh->pg_release('one');
    $dbh->commit;
    [$failed, $dbh->selectcol_arrayref("SELECT name FROM counters WHERE name IN ('kept', 'gone')")];
});
step('failed', sub { $dbh->begin_work; eval { $dbh->do('SELECT 1/0') }; my @states = ($dbh->state); eval { $dbh->do('SELECT 1') }; push @states, $dbh->state; $dbh->rollback; [@states, $dbh->ping] });
step('serializable', sub { $dbh->begin_work; $dbh->do('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE'); my $n = $dbh->do('UPDATE counters SET n = n + 1'); $dbh->commit; "$n" });
step('for update', sub { $dbh->begin_work; my $r = rows($dbh->selectall_arrayref("SELECT sku FROM items WHERE kind = 'k1' ORDER BY qty LIMIT 2 FOR UPDATE SKIP LOCKED")); $dbh->rollback; $r });

# COPY.
step('copy in', sub { $dbh->do('COPY genres (name) FROM STDIN'); $dbh->pg_putcopydata("copied$_\n") for 1 .. 3; $dbh->pg_putcopyend; $dbh->selectrow_array("SELECT count(*) FROM genres WHERE name LIKE 'copied%'") });
step('copy out', sub { $dbh->do('COPY (SELECT name FROM genres ORDER BY name) TO STDOUT WITH CSV'); my ($line, @lines) = (''); push @lines, $line while $dbh->pg_getcopydata($line) >= 0; \@lines });
step('copy refused', sub { $dbh->do('COPY counters FROM STDIN'); $dbh->pg_putcopydata("a\tx\n"); $dbh->pg_putcopyend });

# Errors.
step('unique', sub { $dbh->do("INSERT INTO authors (name, email) VALUES ('dup', 'p1')") });
step('its fields', sub { [map { $dbh->pg_error_field($_) } qw(severity state primary detail hint schema table column constraint)] });
step('check', sub { $dbh->do("UPDATE items SET qty = -1 WHERE sku = 'sku1'") });
step('foreign key', sub { $dbh->do("INSERT INTO books (author_id, title) VALUES (99999, 'x')") });
step('no table', sub { $dbh->do('SELECT * FROM nothing') });
step('position', sub { eval { $dbh->do('UPDATE authors SET nothing = 1') }; $dbh->pg_error_field('statement_position') });
step('bad input', sub { my $s = $dbh->prepare('SELECT id FROM authors WHERE id = ?'); $s->execute('x') });
step('quoted', sub { [$dbh->quote("it's \\"), $dbh->quote_identifier('public', 'Of "x"')] });
step('truncate', sub { [$dbh->do('TRUNCATE book_genres'), $dbh->selectrow_array('SELECT count(*) FROM book_genres')] });
$dbh->disconnect;
