"""logs: raw lines to columns, with the templates of their messages; by line, by session or by window of time."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.evidence import counted
from thirtyfold.core.late import pl
from thirtyfold.core.step import Context
from thirtyfold.data.drain import MASKS, Drain, parameters
from thirtyfold.data.lines import HEADERS, Header, Trace, header_of, moments
from thirtyfold.data.opening import content
from thirtyfold.data.reading import Read, existing, named, quarantined, trace, whole

__all__ = ["Logs"]


class _Lines(NamedTuple):
    frame: pl.DataFrame
    bad: list[tuple[int, str, str]]
    header: Header
    templates: int


class Logs:
    r"""Each line as time, level, component, message, and the message's ``template`` with its ``parameters``.

    The beginning of the lines is one of the usual ones (syslog, Apache error and access, HDFS, ISO times with or
    without a level), found by looking, or said by ``format`` as ``<Time> <Level> <Component>: <Content>``. Templates
    are mined by Drain (``depth``, ``similarity``; ``masks`` are further patterns of what varies). A line that begins
    otherwise goes on the one before when it is indented or part of an error's trace, else it is quarantined.

    ``rows: sessions`` makes a row of all lines that share what ``session`` matches (``blk_-?\d+``) or the column it
    names; ``rows: windows`` a row of every ``window`` seconds: how many lines, of each level and each template (the
    ``top`` most frequent), the first moment, the duration and the sequence of templates.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".log",)

    def __init__(
        self,
        path: str,
        format: str = "auto",  # noqa: A002 - the word that the Spec uses
        rows: Literal["lines", "sessions", "windows"] = "lines",
        session: str | None = None,
        window: Annotated[float, Field(gt=0)] = 60.0,
        top: Annotated[int, Field(ge=1, le=1000)] = 50,
        depth: Annotated[int, Field(ge=3, le=20)] = 4,
        similarity: Annotated[float, Field(gt=0, le=1)] = 0.4,
        masks: list[str] | None = None,
        year: Annotated[int, Field(ge=1970, le=2200)] = 2000,
        encoding: str = "utf-8",
    ) -> None:
        if rows == "sessions" and not session:
            raise DataError(Fault("collect.logs.session", "is needed for 'rows: sessions': a pattern or a column."))
        self.path, self.format, self.rows, self.session, self.window = path, format, rows, session, window
        self.top, self.depth, self.similarity, self.year, self.encoding = top, depth, similarity, year, encoding
        self.masks = (*MASKS, *(_compiled(m, i) for i, m in enumerate(masks or ())))
        self.pattern = re.compile(_compiled(session, None)) if session else None

    def read(self, context: Context) -> Read:
        """All lines, or all sessions or windows."""
        path = existing(self.path)
        context.progress(f"reading {path.name}")
        lines = self._lines(path, None)
        frame = whole(self._grouped(lines.frame), self.path)
        more = {"format": "logs", "header": lines.header.name, "templates": lines.templates}
        many, templates = counted(lines.frame.height, "line"), counted(lines.templates, "template")
        notes = [f"{many} of the kind '{lines.header.name}' with {templates}."]
        if lines.header.yearless:
            notes.append(f"The lines do not say the year; {self.year} was taken ('year').")
        more |= {"quarantined": len(lines.bad), "notes": notes}
        return Read(frame, quarantined(lines.bad), trace(path, frame, **more))

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows, of the first two megabytes; sessions and windows need all lines for their columns."""
        some = None if self.rows != "lines" else 2 * 1024 * 1024
        return whole(self._grouped(self._lines(existing(self.path), some).frame), self.path).head(rows)

    def _lines(self, path: Path, most: int | None) -> _Lines:
        data = content(path, most)
        if b"\0" in data[:65536]:
            raise DataError(Fault(self.path, "is not a text file: it holds zero bytes."))
        text = data.decode(self.encoding, "replace").replace("\r\n", "\n")
        if most and len(data) == most:
            text = text[: text.rfind("\n") + 1] or text
        raw = text.split("\n")
        header = header_of(self.format, raw[:400])
        rows, numbers, bad = _split(raw, header.pattern)
        if not rows:
            first = next((line for line in raw if line.strip()), "")[:80]
            known = ", ".join(h.name for h in HEADERS)
            what = f"no line begins as a log line does; the first is {first!r}."
            raise DataError(Fault(self.path, what, known, "Say 'format: <Time> <Level> <Component>: <Content>'."))
        columns: dict[str, list[Any]] = {n: [r.get(n) for r in rows] for n in header.columns}
        there = {n: pl.Series(v, dtype=pl.String) for n, v in columns.items() if any(v) or n == "message"}
        frame = pl.DataFrame(there)
        frame = moments(frame, header, self.year)
        drain = Drain(self.depth, self.similarity, masks=self.masks)
        messages = [m or "" for m in columns["message"]]
        groups = drain.learn(messages)
        templates = [g.template for g in groups]
        names = {t: f"t_{hashlib.sha256(t.encode()).hexdigest()[:8]}" for t in dict.fromkeys(templates)}
        frame = frame.with_columns(
            pl.Series("template", templates, dtype=pl.String),
            pl.Series("event", [names[t] for t in templates], dtype=pl.String),
            pl.Series("parameters", [_listed(t, m) for t, m in zip(templates, messages, strict=True)], dtype=pl.String),
            pl.Series("line", numbers, dtype=pl.Int64),
        )
        return _Lines(frame, bad, header, len(names))

    def _grouped(self, lines: pl.DataFrame) -> pl.DataFrame:
        if self.rows == "lines":
            return lines.drop("line")
        if self.rows == "windows":
            if "time" not in lines.columns or lines["time"].dtype == pl.String:
                raise DataError(Fault(self.path, "the lines have no time that can be read, so there are no windows."))
            start = lines["time"].min()
            past = (pl.col("time") - start).dt.total_microseconds() / 1e6
            return self._summed(
                lines.with_columns((past / self.window).floor().cast(pl.Int64).alias("window")), "window"
            )
        return self._summed(self._sessions(lines), "session")

    def _sessions(self, lines: pl.DataFrame) -> pl.DataFrame:
        if self.session in lines.columns:
            found = lines.with_columns(pl.col(str(self.session)).alias("session"))
        else:
            assert self.pattern is not None
            matches = [list(dict.fromkeys(m[0] for m in self.pattern.finditer(t or ""))) for t in lines["message"]]
            found = lines.with_columns(pl.Series("session", matches, dtype=pl.List(pl.String))).explode("session")
        found = found.drop_nulls("session")
        if not found.height:
            raise DataError(Fault("collect.logs.session", f"no line has {self.session!r}."))
        return found

    def _summed(self, lines: pl.DataFrame, by: str) -> pl.DataFrame:
        """One row a group, in the order in which they begin."""
        timed = "time" in lines.columns and lines["time"].dtype != pl.String
        kept = lines["template"].value_counts().sort(["count", "template"], descending=[True, False])
        shown = kept["template"].head(self.top).to_list()
        made = [pl.len().cast(pl.Int64).alias("lines"), pl.col("template").n_unique().cast(pl.Int64).alias("templates")]
        if timed:
            span = (pl.col("time").max() - pl.col("time").min()).dt.total_microseconds() / 1e6
            made = [pl.col("time").min().alias("start"), span.alias("seconds"), *made]
        made.append(pl.col("event").str.join(" ").alias("sequence"))
        for level in sorted(lines["level"].drop_nulls().unique()) if "level" in lines.columns else ():
            made.append((pl.col("level") == level).sum().cast(pl.Int64).alias(f"level {level}"))
        titles = named(_short(shown), self.path)
        made += [
            (pl.col("template") == t).sum().cast(pl.Int64).alias(f"count {n}")
            for t, n in zip(shown, titles, strict=True)
        ]
        if kept.height > self.top:
            made.append((~pl.col("template").is_in(shown)).sum().cast(pl.Int64).alias("count of others"))
        return lines.group_by(by, maintain_order=True).agg(made)


def _split(
    raw: Sequence[str], pattern: re.Pattern[str]
) -> tuple[list[dict[str, Any]], list[int], list[tuple[int, str, str]]]:
    """The lines as their parts, their numbers, and those that are none; an indented line, and an error's trace, go on
    the one before.
    """
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    bad: list[tuple[int, str, str]] = []
    trace_of = Trace()
    for number, line in enumerate(raw, 1):
        if not line.strip():
            continue
        found = pattern.match(line) if len(line) <= 65536 else None
        goes_on = trace_of.has(line, begins=found is not None)
        if found:
            rows.append(found.groupdict())
            numbers.append(number)
        elif rows and (goes_on or line[0] in " \t") and len(rows[-1]["message"] or "") < 65536:
            rows[-1]["message"] = f"{rows[-1]['message'] or ''} {line.strip()}"
        else:
            bad.append((number, "does not begin as the other lines do", line[:2000]))
    return rows, numbers, bad


def _listed(template: str, message: str) -> str | None:
    found = parameters(template, message)
    return json.dumps(found, ensure_ascii=False) if found else None


def _short(templates: list[str]) -> list[str]:
    """Titles of at most 60 characters, each another."""
    done: list[str] = []
    for template in templates:
        title = " ".join(template.split())[:60] or "(empty)"
        extra = sum(d == title or d.startswith(f"{title} ~") for d in done)
        done.append(f"{title} ~{extra + 1}" if extra else title)
    return done


def _compiled(pattern: str, at: int | None) -> str:
    where = "collect.logs.session" if at is None else f"collect.logs.masks.{at}"
    try:
        re.compile(pattern)
    except re.error as error:
        raise DataError(Fault(where, f"{pattern!r} is not a regular expression: {error}.")) from None
    return pattern
