"""Make the checksums of an edited run file fit again: what a forger would do, who is still looked at."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from neurodev.record.proof import Tally, hash_of, proof_of
from neurodev.record.reader import ROWS


def sign(path: Path) -> None:
    """Give every row of a sealed file the checksums of what it holds now."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        run = db.execute("SELECT id FROM identity").fetchone()[0]
        session = db.execute("SELECT session FROM tally").fetchone()[0]
        tally = Tally()
        for table, names in ROWS.items():
            if "hash" in names:
                for row, data in db.execute(f"SELECT rowid, data FROM {table}").fetchall():
                    db.execute(f"UPDATE {table} SET hash=? WHERE rowid=?", (hash_of(run, data), row))
            for row, *fields in db.execute(f"SELECT rowid, {', '.join(names)} FROM {table}").fetchall():
                proof = proof_of(run, table, *fields)
                db.execute(f"UPDATE {table} SET proof=? WHERE rowid=?", (proof, row))
                tally.add([proof])
        db.execute("DELETE FROM tally")
        values = (session, tally.rows, tally.signed, tally.proof(run, session))
        db.execute("INSERT INTO tally VALUES (?, ?, ?, ?)", values)
