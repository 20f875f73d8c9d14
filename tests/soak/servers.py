"""What the soak runs on: a private PostgreSQL, and nodes of pgdraft in front of it."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import psycopg

PASSWORD = "soak"


def log(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def resident_kb(pid):
    """Kilobytes of memory that a process holds; None once it is gone."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(found[0]) if found else None


class Postgres:
    """A private cluster."""

    def __init__(self, folder, connections):
        self.data, self.connections = folder / "data", connections
        self.port = free_port()
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        self.bin = found[-1] if found else pathlib.Path(shutil.which("initdb")).parent
        # initdb refuses to run as root
        self.su = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.su:
            shutil.chown(folder, "postgres")
        self.run("initdb", "-A", "trust", "-U", "postgres", "-D", self.data)
        self.start()

    def run(self, program, *arguments):
        words = [*self.su, self.bin / program, *map(str, arguments)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd="/tmp")

    def start(self):
        options = f"-p {self.port} -k /tmp -c listen_addresses=127.0.0.1 -c max_connections={self.connections}"
        self.run("pg_ctl", "-D", self.data, "-l", self.data / "log", "-w", "-o", options, "start")

    def stop(self, mode):
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def url(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def connect(self):
        return psycopg.connect(self.url(), autocommit=True)

    def contents(self, tables):
        """A digest of each table."""
        with self.connect() as c:
            texts = [f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY id), '')) FROM {t} t" for t in tables]
            return [c.execute(text).fetchone()[0] for text in texts]


class Node:
    """`pgdraft serve` on one port, one process after the other."""

    def __init__(self, binary, folder, url, config, database="postgres"):
        self.binary, self.port, self.lock = binary, free_port(), threading.Lock()
        self.database = database
        self.log = folder / f"log-{self.port}"
        self.config = folder / f"pgdraft-{self.port}.toml"
        made = subprocess.run([binary, "hash-password"], input=PASSWORD + "\n", text=True, check=True, capture_output=True)
        verifier = made.stdout.strip().splitlines()[-1]
        self.config.write_text(
            f'listen = "127.0.0.1:{self.port}"\nupstream_url = "{url}"\nreuse_port = true\nmetrics_listen = "off"\n'
            f'{config}[[agents]]\nname = "agent"\nverifier = "{verifier}"\n'
        )
        self.processes = []
        self.start()

    def start(self):
        out = open(self.log, "a")
        words = [self.binary, "serve", "--config", str(self.config)]
        process = subprocess.Popen(words, stdout=out, stderr=out)
        with self.lock:
            self.processes.append(process)
        for _ in range(600):
            try:
                self.connect("ready").close()
                # where two listen, the other one may have answered
                if self.listens(process):
                    return process
            except psycopg.Error:
                pass
            if process.poll() is not None:
                raise SystemExit(f"pgdraft ended: see {self.log}")
            time.sleep(0.1)
        raise SystemExit("pgdraft does not answer")

    def listens(self, process):
        """Whether the process has a socket that listens on the port."""
        wanted = f":{self.port:04X} 00000000:0000 0A"
        inodes = {line.split()[9] for line in pathlib.Path("/proc/net/tcp").read_text().splitlines() if wanted in line}
        for link in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                if os.readlink(link).removeprefix("socket:[").rstrip("]") in inodes:
                    return True
            except OSError:
                pass
        return False

    def kill(self):
        with self.lock:
            process = self.processes.pop(0)
        process.kill()
        process.wait()
        self.start()

    def replace(self):
        """By a second process on the same port."""
        self.start()
        with self.lock:
            process = self.processes.pop(0)
        process.send_signal(signal.SIGTERM)
        process.wait()

    def reload(self):
        with self.lock:
            self.processes[-1].send_signal(signal.SIGHUP)

    def connect(self, session, **how):
        return psycopg.connect(self.conninfo(session), autocommit=True, **how)

    def conninfo(self, session):
        return (
            f"host=127.0.0.1 port={self.port} user=agent password={PASSWORD} dbname={self.database} connect_timeout=60 "
            f"sslmode=disable gssencmode=disable options='-c pgdraft.session={session}'"
        )

    def resident(self):
        """Process id and kilobytes of the newest process."""
        with self.lock:
            pid = self.processes[-1].pid
        return pid, resident_kb(pid)

    def panicked(self):
        return "panicked" in self.log.read_text(errors="replace")
