"""logs: raw lines to columns, with the templates of their messages; by line, by session or by window of time."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from thirtyfold.core.errors import DataError, Fault
from thirtyfold.core.evidence import counted
from thirtyfold.core.late import pl
from thirtyfold.core.row import ROW
from thirtyfold.core.step import Context
from thirtyfold.data.arrivals import Book, Kept, Mark, arrived
from thirtyfold.data.drain import MASKS, Drain, parameters
from thirtyfold.data.lines import HEADERS, Header, Trace, header_of, moments, readings
from thirtyfold.data.margins import Fault3
from thirtyfold.data.opening import content, is_packed, opened
from thirtyfold.data.pile import SLICE, Piled, in_batches, piled, relaid
from thirtyfold.data.reading import Read, existing, kept_at, named, quarantined, trace, whole
from thirtyfold.data.streams import PLAIN, lines_of, place_of

__all__ = ["Logs"]


_HEAD = 2 * 1024 * 1024
"""So much is read to see how lines begin."""


class _Parts(NamedTuple):
    """Lines as their parts, with the columns ``line`` and ``group``; the miner that knows the groups; bad lines; and
    what is kept to go on from.
    """

    rows: Piled
    drain: Drain
    bad: list[Fault3]
    header: Header
    kept: Kept | None


class _Lines(NamedTuple):
    """Lines with their templates, as rows; ``many`` templates in all."""

    rows: Piled
    many: int


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
        header = self._header(path)
        book = Book(path, {"logs": [self.format, self.depth, self.similarity, *self.masks, self.encoding, header.name]})
        kept, why = book.known()
        parts = self._parts(path, header, kept)
        if parts.kept is not None:
            book.keep(parts.kept)
        lines = self._lines(parts)
        frame = whole(lines.rows.frame if self.rows == "lines" else self._grouped(lines.rows.frame), self.path)
        more = {"format": "logs", "header": header.name, "templates": lines.many}
        many, templates = counted(lines.rows.frame.height, "line"), counted(lines.many, "template")
        notes = [f"{many} of the kind '{header.name}' with {templates}."]
        if header.yearless:
            notes.append(f"The lines do not say the year; {self.year} was taken ('year').")
        more |= {"quarantined": len(parts.bad), "notes": notes}
        numbered = lines.rows.numbered if self.rows == "lines" else None
        came = arrived(kept, why, path, lines.rows.frame)
        return Read(frame, quarantined(parts.bad), trace(path, frame, **more), numbered, came)

    def peek(self, rows: int) -> pl.DataFrame:
        """The first rows, of the first two megabytes; sessions and windows need all lines for their columns."""
        path = existing(self.path)
        some = None if self.rows != "lines" else _HEAD
        lines = self._lines(self._parts(path, self._header(path), None, some)).rows.frame
        return whole(lines if self.rows == "lines" else self._grouped(lines), self.path).head(rows)

    def _header(self, path: Path) -> Header:
        """How the lines begin, by the first 400."""
        data = content(path, _HEAD)
        if b"\0" in data[:65536]:
            raise DataError(Fault(self.path, "is not a text file: it holds zero bytes."))
        lines = lines_of(io.BytesIO(data), self.encoding, self.path, errors="replace")
        return header_of(self.format, [line for _, line in islice(lines, 400)])

    def _parts(self, path: Path, header: Header, kept: Kept | None, most: int | None = None) -> _Parts:
        """All lines as their parts, batch by batch, or those of the first ``most`` bytes."""
        drain = Drain(self.depth, self.similarity, masks=self.masks)
        bad = kept.told() if kept else []
        if kept is not None:
            drain.go_on(kept.state)
        last: list[tuple[Mark, dict[str, Any]]] = []

        def rows() -> Iterator[dict[str, Any]]:
            count, waiting = kept.rows if kept else 0, None
            for number, row in _split(self._numbered(path, kept, most), header.pattern, bad):
                if waiting is not None:
                    yield {**waiting, "group": drain.add(waiting["message"] or "").number}
                    count += 1
                waiting = {**row, "line": number}
            if waiting is not None:  # the last one may go on tomorrow: what was learned before it is kept
                last.append((Mark(0, count, waiting["line"] - 1), drain.state()))
                yield {**waiting, "group": drain.add(waiting["message"] or "").number}

        found = piled(lambda: in_batches(rows()), self.path, kept.before if kept else None)
        if not found.frame.height:
            first = next((raw for _, _, raw in bad), "")[:80]
            known = ", ".join(h.name for h in HEADERS)
            what = f"no line begins as a log line does; the first is {first!r}."
            raise DataError(Fault(self.path, what, known, "Say 'format: <Time> <Level> <Component>: <Content>'."))
        if most or self.encoding not in PLAIN or is_packed(path) or not last or not last[0][0].rows:
            return _Parts(found, drain, bad, header, None)
        mark = last[0][0]._replace(start=place_of(path, last[0][0].lines))
        frame = found.frame if found.numbered is None else found.numbered
        return _Parts(found, drain, bad, header, Kept.of(path, mark, frame, bad, last[0][1]))

    def _numbered(self, path: Path, kept: Kept | None, most: int | None) -> Iterator[tuple[int, str]]:
        """Each line with its number, from where the kept ones end; of the first ``most`` bytes only whole ones."""
        if most:
            data = content(path, most)
            data = data if len(data) < most else data[: data.rfind(b"\n") + 1] or data
            yield from lines_of(io.BytesIO(data), self.encoding, self.path, errors="replace")
            return
        with opened(path) as file:
            if kept is not None:
                file.seek(kept.start)
            yield from lines_of(file, self.encoding, self.path, kept.lines if kept else 0, errors="replace")

    def _lines(self, parts: _Parts) -> _Lines:
        """The lines with their moments, templates and parameters; the templates are final only now."""
        found, header = parts.rows, parts.header
        templates = [g.template for g in parts.drain.groups]
        names = {t: f"t_{hashlib.sha256(t.encode()).hexdigest()[:8]}" for t in dict.fromkeys(templates)}
        filled = [n for n in header.columns if n == "message" or _filled(found.frame[n])]
        times = None
        if "time" in filled:
            times = moments([readings(p["time"], header, self.year) for p in found.frame.iter_slices(SLICE)], header)

        def full(part: pl.DataFrame, at: int) -> pl.DataFrame:
            mine = [templates[g] for g in part["group"].to_list()]
            said = zip(mine, part["message"].to_list(), strict=True)
            done = part.select(filled)
            if times is not None:
                done = done.with_columns(times.slice(at, part.height).alias("time"))
            return done.with_columns(
                pl.Series("template", mine, dtype=pl.String),
                pl.Series("event", [names[t] for t in mine], dtype=pl.String),
                pl.Series("parameters", [_listed(t, m or "") for t, m in said], dtype=pl.String),
                *([] if self.rows == "lines" else [part["line"]]),
            )

        if found.numbered is None:
            return _Lines(Piled(full(found.frame, 0), None), len({*templates}))
        place = kept_at("store", "laying")
        rows = relaid([found.numbered], lambda p: full(p, int(p[ROW][0])).with_columns(p[ROW]), place)
        return _Lines(Piled(rows.drop(ROW), rows), len({*templates}))

    def _grouped(self, lines: pl.DataFrame) -> pl.DataFrame:
        """A row for each session or window."""
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
            needed = [c for c in ("time", "level", "template", "event") if c in lines.columns]
            found = pl.concat([_matched(p, self.pattern).select("session", *needed) for p in lines.iter_slices(SLICE)])
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


def _filled(column: pl.Series) -> bool:
    """Whether anything stands in a column; one of gaps alone has the type of numbers."""
    return column.dtype == pl.String and bool((column.fill_null("") != "").any())


def _matched(lines: pl.DataFrame, pattern: re.Pattern[str]) -> pl.DataFrame:
    """A row for each line and each session that it names; none where it names none."""
    matches = [list(dict.fromkeys(m[0] for m in pattern.finditer(t or ""))) for t in lines["message"]]
    return lines.with_columns(pl.Series("session", matches, dtype=pl.List(pl.String))).explode("session")


def _split(
    lines: Iterable[tuple[int, str]], pattern: re.Pattern[str], bad: list[Fault3]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line as its parts, with its number; those that are none go to ``bad``; an indented line, and an error's
    trace, go on the one before.
    """
    held: tuple[int, dict[str, Any]] | None = None
    trace_of = Trace()
    for number, ended in lines:
        line = ended.removesuffix("\r")
        if not line.strip():
            continue
        found = pattern.match(line) if len(line) <= 65536 else None
        goes_on = trace_of.has(line, begins=found is not None)
        if found:
            if held is not None:
                yield held
            held = number, found.groupdict()
        elif held is not None and (goes_on or line[0] in " \t") and len(held[1]["message"] or "") < 65536:
            held[1]["message"] = f"{held[1]['message'] or ''} {line.strip()}"
        else:
            bad.append((number, "does not begin as the other lines do", line[:2000]))
    if held is not None:
        yield held


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
