"""Real servers for the sources: a PostgreSQL and a MariaDB of one's own on a free port, ended with the tests."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def program(name, *folders):
    """Where a program is that may not be on the path."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))


def unprivileged():
    """The name of a user that a server may run as: servers refuse to run as root."""
    if os.getuid() != 0:
        return None
    names = {p.pw_name for p in pwd.getpwall()}
    return next((n for n in ("postgres", "mysql", "nobody") if n in names), None)


def folder_for(user):
    """A short path (a socket's may not be long) that the user owns."""
    folder = Path(tempfile.mkdtemp(prefix="thirtyfold-"))
    if user:
        shutil.chown(folder, user)
    return folder


def wait_for(port, process, log):
    for _ in range(300):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.skip(f"the server did not start: {log.read_text(errors='replace')[-400:]}")


@pytest.fixture(scope="session")
def postgres():
    """The address of a PostgreSQL server of our own, with the database ``postgres``."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb, server = (program(p, *map(str, versions)) for p in ("initdb", "postgres"))
    user = unprivileged()
    if not initdb or not server:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if os.getuid() == 0 and user is None:
        pytest.skip("PostgreSQL does not run as root, and there is no other user to run it as")
    folder, port = folder_for(user), free_port()
    data, log = folder / "data", folder / "log"
    made = [initdb, "-D", str(data), "-U", "tester", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(made, user=user, check=True, capture_output=True, cwd=folder)
    start = [server, "-D", str(data), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F"]
    with log.open("wb") as out:
        process = subprocess.Popen(start, user=user, stdout=out, stderr=out, cwd=folder)
    try:
        wait_for(port, process, log)
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb():
    """The address of a MariaDB or MySQL server of our own, with the database ``shop``."""
    server = program("mariadbd", "/usr/sbin", "/usr/local/sbin") or program("mysqld", "/usr/sbin")
    if not server:
        pytest.skip("MariaDB is not installed (Debian: apt-get install mariadb-server)")
    root = Path(server).resolve().parents[2]
    shared, install = root / "usr/share/mysql", program("mariadb-install-db", str(root / "usr/bin"))
    if not install:
        pytest.skip("mariadb-install-db is not installed")
    user, port = unprivileged(), free_port()
    folder = folder_for(user)
    data, log = folder / "data", folder / "log"
    base = [f"--basedir={root / 'usr'}", f"--datadir={data}"]
    first = [install, "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", *base]
    subprocess.run(first, user=user, check=True, capture_output=True, cwd=folder)
    more = [f"--port={port}", f"--socket={folder / 's'}", "--bind-address=127.0.0.1", f"--lc-messages-dir={shared}"]
    with log.open("wb") as out:
        start = [server, "--no-defaults", *base, *more, "--skip-name-resolve", "--innodb-flush-method=fsync"]
        process = subprocess.Popen(start, user=user, stdout=out, stderr=out, cwd=folder)
    try:
        wait_for(port, process, log)
        yield f"mysql://root@127.0.0.1:{port}/shop"
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
