<?php
// PDO, PHP's own functions, Doctrine's DBAL and ORM: a line of JSON for each step. URL [options].
error_reporting(E_ALL & ~E_DEPRECATED);
require_once '/usr/share/php/Doctrine/ORM/autoload.php';
require_once '/usr/share/php/Doctrine/DBAL/autoload.php';
require_once '/usr/share/php/Symfony/Component/Cache/autoload.php';

use Doctrine\DBAL\DriverManager;
use Doctrine\DBAL\LockMode;
use Doctrine\DBAL\ParameterType;
use Doctrine\ORM\EntityManager;
use Doctrine\ORM\Mapping as ORM;
use Doctrine\ORM\ORMSetup;

$url = parse_url($argv[1]);
$options = $argv[2] ?? '';
[$host, $port, $user, $database] = [$url['host'], $url['port'], $url['user'], substr($url['path'], 1)];
$password = rawurldecode($url['pass'] ?? '');

function step(string $name, callable $work): void
{
    try {
        echo json_encode([$name, $work()], JSON_PARTIAL_OUTPUT_ON_ERROR), "\n";
    } catch (Throwable $e) {
        echo json_encode([$name, 'ERROR', get_class($e), $e->getCode(), array_slice(explode("\n", $e->getMessage()), 0, 4)]), "\n";
    }
}

$sorted = function (array $lines) {
    sort($lines);
    return $lines;
};

// PDO: prepared on the server, emulated, in turn.
foreach ([false, true] as $emulated) {
    $mark = $emulated ? 'emulated' : 'pdo';
    $pdo = new PDO("pgsql:host=$host;port=$port;dbname=$database;options='$options'", $user, $password, [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => $emulated, PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM,
    ]);
    $run = function (string $text, array $values = []) use ($pdo) {
        $statement = $pdo->prepare($text);
        $statement->execute($values);
        return $statement;
    };
    step("$mark insert", fn () => [$run('INSERT INTO authors (name, email) VALUES (?, ?)', [$mark, "$mark@x"])->rowCount(), $pdo->lastInsertId('authors_id_seq')]);
    step("$mark returning", fn () => $run('INSERT INTO genres (name) VALUES (:a), (:b) RETURNING id, name', ['a' => "$mark a", 'b' => "$mark b"])->fetchAll());
    step("$mark update", fn () => $run('UPDATE authors SET rating = rating + ? WHERE id < ?', ['1.25', 4])->rowCount());
    step("$mark delete", fn () => $run('DELETE FROM books WHERE author_id = ?', [$emulated ? 4 : 5])->rowCount());
    step("$mark again", function () use ($pdo) {
        $statement = $pdo->prepare('UPDATE counters SET n = n + 1 WHERE name = ? RETURNING n');
        $seen = [];
        foreach (['a', 'b', 'a'] as $name) {
            $statement->execute([$name]);
            $seen[] = $statement->fetchColumn();
        }
        return $seen;
    });
    step("$mark types", function () use ($pdo, $mark) {
        $statement = $pdo->prepare('INSERT INTO items (sku, qty, data) VALUES (?, ?, ?) RETURNING qty, data');
        $statement->bindValue(1, $mark);
        $statement->bindValue(2, 3, PDO::PARAM_INT);
        $statement->bindValue(3, "\x00\xff'\\", PDO::PARAM_LOB);
        $statement->execute();
        $row = $statement->fetch();
        return [$row[0], bin2hex(stream_get_contents($row[1]))];
    });
    step("$mark bool", fn () => $run('UPDATE books SET published = ? WHERE id = 3 RETURNING published', ['t'])->fetchAll());
    step("$mark described", function () use ($run) {
        $statement = $run('SELECT id, name, rating, born FROM authors WHERE id = ?', [1]);
        return array_map(fn ($n) => array_intersect_key($statement->getColumnMeta($n), ['name' => 1, 'table' => 1, 'native_type' => 1, 'len' => 1, 'precision' => 1, 'pdo_type' => 1]), range(0, 3));
    });
    step("$mark transaction", function () use ($pdo) {
        $pdo->beginTransaction();
        $pdo->exec("INSERT INTO counters VALUES ('lost', 1)");
        $in = $pdo->inTransaction();
        $pdo->rollBack();
        return [$in, $pdo->query("SELECT count(*) FROM counters WHERE name = 'lost'")->fetchColumn()];
    });
    step("$mark cursor", function () use ($pdo) {
        $statement = $pdo->prepare('SELECT id FROM authors ORDER BY id', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
        $statement->execute();
        return [$statement->fetch(), $statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_ABS, 3), $statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_PRIOR), $statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST) > 0];
    });
    step("$mark copy", fn () => [$pdo->pgsqlCopyFromArray('genres', ["900" . (int) $emulated . "\t$mark c"]), $sorted($pdo->pgsqlCopyToArray('counters'))]);
    step("$mark unique", fn () => $run('INSERT INTO authors (name, email) VALUES (?, ?)', ['dup', "$mark@x"]));
    step("$mark its info", function () use ($pdo, $run) {
        try {
            $run('UPDATE items SET qty = ? WHERE sku = ?', [-1, 'sku1']);
        } catch (PDOException $e) {
            return $e->errorInfo;
        }
    });
    step("$mark several", fn () => $pdo->exec("UPDATE counters SET n = 5 WHERE name = 'a'; UPDATE counters SET n = 6"));
}
$pdo = null;

// The functions of ext-pgsql.
$link = pg_connect("host=$host port=$port dbname=$database user=$user password='$password' options='$options'");
step('pg_query_params', fn () => pg_fetch_all(pg_query_params($link, 'SELECT id, name FROM authors WHERE id = $1', [1])));
step('pg_prepare', fn () => [pg_prepare($link, 'up', 'UPDATE counters SET n = n + $1 WHERE name = $2') !== false, pg_affected_rows(pg_execute($link, 'up', [2, 'a'])), pg_affected_rows(pg_execute($link, 'up', [2, 'none']))]);
step('pg_insert', fn () => pg_insert($link, 'genres', ['id' => 9100, 'name' => 'pg_insert'], PGSQL_DML_EXEC) !== false);
step('pg_update', fn () => pg_update($link, 'counters', ['n' => 40], ['name' => 'a']));
step('pg_select', fn () => pg_select($link, 'counters', ['name' => 'a']));
step('pg_delete', fn () => pg_delete($link, 'genres', ['name' => 'pg_insert']));
step('pg_meta_data', fn () => pg_meta_data($link, 'authors'));
step('pg_copy', fn () => [pg_copy_from($link, 'genres', ["9200\tpg_copy\n"]), $sorted(pg_copy_to($link, 'counters'))]);
step('pg_send_query', function () use ($link) {
    pg_send_query($link, "UPDATE counters SET n = 41 WHERE name = 'a'; SELECT n FROM counters WHERE name = 'a'; SELECT 1/0");
    $seen = [];
    while ($result = pg_get_result($link)) {
        $seen[] = [pg_result_status($result), pg_fetch_all($result), pg_result_error_field($result, PGSQL_DIAG_SQLSTATE) ?: null];
    }
    return $seen;
});
step('fields', function () use ($link) {
    $result = pg_query($link, 'SELECT a.id, b.price AS p FROM authors a JOIN books b ON b.author_id = a.id LIMIT 1');
    return [pg_field_name($result, 1), pg_field_type($result, 1), pg_field_table($result, 0), pg_field_table($result, 1), pg_field_size($result, 0)];
});
step('status', fn () => [pg_parameter_status($link, 'server_encoding'), pg_transaction_status($link), pg_ping($link)]);
step('escape', fn () => [pg_escape_literal($link, "it's \\"), pg_escape_identifier($link, 'of "x"')]);
pg_close($link);

// Doctrine's DBAL.
$settings = ['driver' => 'pdo_pgsql', 'host' => $host, 'port' => $port, 'user' => $user, 'password' => $password, 'dbname' => $database];
$connected = function () use ($settings, $options) {
    putenv("PGOPTIONS=$options");
    return DriverManager::getConnection($settings);
};
$dbal = $connected();
foreach (['_inet', '_text', 'int4range', 'money', 'mood'] as $unknown) {
    $dbal->getDatabasePlatform()->registerDoctrineTypeMapping($unknown, 'string');
}
step('schema', function () use ($dbal) {
    $of = [];
    foreach ($dbal->createSchemaManager()->listTables() as $table) {
        $of[$table->getName()] = [
            array_map(fn ($c) => [$c->getName(), get_class($c->getType()), $c->getNotnull(), $c->getDefault(), $c->getLength(), $c->getAutoincrement()], array_values($table->getColumns())),
            array_map(fn ($i) => [$i->getName(), $i->getColumns(), $i->isUnique(), $i->isPrimary()], array_values($table->getIndexes())),
            array_map(fn ($k) => [$k->getLocalColumns(), $k->getForeignTableName(), $k->onDelete()], array_values($table->getForeignKeys())),
        ];
    }
    ksort($of);
    return $of;
});
step('sequences', fn () => (function () use ($dbal) {
    $of = array_map(fn ($s) => $s->getName(), $dbal->createSchemaManager()->listSequences());
    sort($of);
    return $of;
})());
step('insert', fn () => [$dbal->insert('authors', ['name' => 'dbal', 'email' => 'dbal@x']), $dbal->lastInsertId()]);
step('update', fn () => $dbal->update('authors', ['name' => 'dbal two', 'rating' => '3.5'], ['email' => 'dbal@x']));
step('delete', fn () => [$dbal->delete('authors', ['id' => 6]), $dbal->fetchOne('SELECT count(*) FROM books WHERE author_id = 6')]);
step('in', fn () => $dbal->fetchAllAssociative('SELECT id, name FROM genres WHERE id IN (?) ORDER BY id', [[1, 2, 3]], [Doctrine\DBAL\Connection::PARAM_INT_ARRAY]));
step('builder', fn () => $dbal->createQueryBuilder()->select('a.id', 'count(b.id) AS n')->from('authors', 'a')->leftJoin('a', 'books', 'b', 'b.author_id = a.id')->where('a.id < :id')->setParameter('id', 6)->groupBy('a.id')->orderBy('a.id')->fetchAllNumeric());
step('builder update', fn () => $dbal->createQueryBuilder()->update('books')->set('title', 'title || :x')->where('author_id = :a')->setParameters(['x' => '!', 'a' => 8])->executeStatement());
step('nested', function () use ($dbal) {
    $dbal->setNestTransactionsWithSavepoints(true);
    $dbal->beginTransaction();
    $dbal->insert('counters', ['name' => 'kept', 'n' => 1]);
    $dbal->beginTransaction();
    $dbal->insert('counters', ['name' => 'gone', 'n' => 1]);
    $dbal->rollBack();
    $dbal->commit();
    return $dbal->fetchFirstColumn("SELECT name FROM counters WHERE name IN ('kept', 'gone')");
});
step('unique', fn () => $dbal->insert('authors', ['name' => 'dup', 'email' => 'dbal@x']));
step('iterate', function () use ($dbal) {
    $n = 0;
    foreach ($dbal->iterateNumeric('SELECT id FROM books ORDER BY id') as $row) {
        $n += $row[0] > 3;
    }
    return $n;
});

// Doctrine's ORM.
#[ORM\Entity, ORM\Table('authors')]
class Author
{
    #[ORM\Id, ORM\Column(type: 'integer'), ORM\GeneratedValue(strategy: 'SEQUENCE'), ORM\SequenceGenerator(sequenceName: 'authors_id_seq', allocationSize: 1)]
    public ?int $id = null;
    #[ORM\Column]
    public string $name = '';
    #[ORM\Column(length: 200, unique: true, nullable: true)]
    public ?string $email = null;
    #[ORM\Column(type: 'date', nullable: true)]
    public ?DateTime $born = null;
    #[ORM\OneToMany(targetEntity: Book::class, mappedBy: 'author', cascade: ['persist', 'remove']), ORM\OrderBy(['id' => 'ASC'])]
    public $books;
    public function __construct()
    {
        $this->books = new Doctrine\Common\Collections\ArrayCollection();
    }
}
#[ORM\Entity, ORM\Table('books')]
class Book
{
    #[ORM\Id, ORM\Column(type: 'bigint'), ORM\GeneratedValue(strategy: 'IDENTITY')]
    public $id = null;
    #[ORM\ManyToOne(targetEntity: Author::class, inversedBy: 'books'), ORM\JoinColumn(name: 'author_id')]
    public ?Author $author = null;
    #[ORM\Column]
    public string $title = '';
    #[ORM\Column(type: 'json')]
    public $meta = [];
    #[ORM\Column(type: 'boolean')]
    public bool $published = false;
    #[ORM\ManyToMany(targetEntity: Genre::class), ORM\JoinTable(name: 'book_genres')]
    #[ORM\JoinColumn(name: 'book_id'), ORM\InverseJoinColumn(name: 'genre_id')]
    public $genres;
    public function __construct()
    {
        $this->genres = new Doctrine\Common\Collections\ArrayCollection();
    }
}
#[ORM\Entity, ORM\Table('genres')]
class Genre
{
    #[ORM\Id, ORM\Column(type: 'integer'), ORM\GeneratedValue(strategy: 'IDENTITY')]
    public ?int $id = null;
    #[ORM\Column(unique: true)]
    public string $name = '';
}
#[ORM\Entity, ORM\Table('people')]
class Person
{
    #[ORM\Id, ORM\Column(type: 'integer'), ORM\GeneratedValue(strategy: 'IDENTITY')]
    public ?int $id = null;
    #[ORM\Column]
    public ?string $name = null;
    #[ORM\Version, ORM\Column(type: 'integer')]
    public int $version = 1;
}
$opened = fn () => new EntityManager($connected(), ORMSetup::createAttributeMetadataConfiguration([__DIR__], true));
$em = $opened();
step('persist', function () use ($em) {
    $author = new Author();
    [$author->name, $author->email, $author->born] = ['orm', 'orm@x', new DateTime('2001-02-03')];
    foreach (['one', 'two'] as $title) {
        $book = new Book();
        [$book->title, $book->author, $book->meta] = [$title, $author, ['deep' => [1, null]]];
        $author->books->add($book);
    }
    $em->persist($author);
    $em->flush();
    return [$author->id, array_map(fn ($b) => $b->id, $author->books->toArray())];
});
step('find', function () use ($em) {
    $em->clear();
    $author = $em->getRepository(Author::class)->findOneBy(['email' => 'orm@x']);
    return [$author->name, $author->born->format('Y-m-d'), array_map(fn ($b) => [$b->title, $b->meta], $author->books->toArray())];
});
step('changed', function () use ($em) {
    $author = $em->getRepository(Author::class)->findOneBy(['email' => 'orm@x']);
    $author->name = 'orm two';
    $author->books[0]->published = true;
    $em->flush();
    $em->clear();
    $author = $em->find(Author::class, $author->id);
    return [$author->name, $author->books[0]->published];
});
step('many to many', function () use ($em) {
    $book = $em->find(Book::class, 1);
    $book->genres->clear();
    foreach ($em->getRepository(Genre::class)->findBy(['id' => [1, 3]], ['id' => 'ASC']) as $genre) {
        $book->genres->add($genre);
    }
    $em->flush();
    $em->clear();
    $names = array_map(fn ($g) => $g->name, $em->find(Book::class, 1)->genres->toArray());
    sort($names);
    return $names;
});
step('dql', fn () => $em->createQuery('SELECT a.name, COUNT(b.id) AS n FROM Author a JOIN a.books b WHERE a.id < 9 GROUP BY a.id, a.name HAVING COUNT(b.id) > 1 ORDER BY a.id')->getArrayResult());
step('dql fetch', fn () => array_map(fn ($a) => [$a->id, count($a->books)], $em->createQuery('SELECT a, b FROM Author a LEFT JOIN a.books b WHERE a.id IN (:ids) ORDER BY a.id, b.id')->setParameter('ids', [1, 2, 9])->getResult()));
step('dql update', fn () => $em->createQuery('UPDATE Book b SET b.title = CONCAT(b.title, :x) WHERE b.published = true')->setParameter('x', '?')->execute());
step('dql delete', fn () => $em->createQuery('DELETE Book b WHERE b.author = 9')->execute());
step('page', fn () => (function () use ($em) {
    $page = new Doctrine\ORM\Tools\Pagination\Paginator($em->createQuery('SELECT a, b FROM Author a JOIN a.books b ORDER BY a.id, b.id')->setFirstResult(2)->setMaxResults(3));
    return [count($page), array_map(fn ($a) => $a->id, iterator_to_array($page))];
})());
step('lock', fn () => $em->wrapInTransaction(function ($em) {
    $author = $em->find(Author::class, 1, LockMode::PESSIMISTIC_WRITE);
    $author->name = 'locked';
    return 'done';
}));
step('version', function () use ($em, $opened) {
    $one = $em->find(Person::class, 1);
    $other = $opened();
    $other->find(Person::class, 1)->name = 'first';
    $other->flush();
    $one->name = 'second';
    $em->flush();
});
$em = $opened();
step('remove', function () use ($em) {
    $em->remove($em->getRepository(Author::class)->findOneBy(['email' => 'orm@x']));
    $em->flush();
    return $em->createQuery("SELECT COUNT(b.id) FROM Book b WHERE b.title LIKE 'one%' OR b.title LIKE 'two%'")->getSingleScalarResult();
});
step('same', fn () => (new Doctrine\ORM\Tools\SchemaValidator($em))->validateMapping());
