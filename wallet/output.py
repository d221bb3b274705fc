"""What people and programs see: results on stdout, everything else on stderr.

Three forms of result, chosen by `--output`: *text* for people, *json* (one document) and *jsonl* (one document per
line, for lists). In the last two, stdout carries JSON and nothing else, an error is one JSON line on stderr.

**Ledger content is hostile text.** Whoever may write a record may put terminal escapes, bidirectional overrides and
line breaks in it. Nothing that came from a file or a node reaches a terminal unescaped: `escape` keeps printable
characters only, and JSON is written in ASCII.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum, unique
from typing import TYPE_CHECKING, TextIO

from wallet.exit_codes import WalletError

if TYPE_CHECKING:
    from rich.console import Console

    from ledger.encoding import Json


@unique
class Format(StrEnum):
    """The value of `--output`."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


def escape(text: str) -> str:
    r"""`text` with every character that is not printable written as a JSON escape: `\u001b`, `\u202e`.

    Not printable are control characters (C0, C1, DEL), format characters (bidirectional overrides, zero width),
    line and paragraph separators, surrogates, private and unassigned code points. Printable letters of any script
    stay; so does the backslash, which makes escaping twice harmless and leaves escaped JSON what it was.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _code_point(character) for character in text)


def _code_point(character: str) -> str:
    number = ord(character)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000  # as JSON writes it: a pair of surrogates
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"


def inline_json(value: Json) -> str:
    """`value` as compact JSON for people: letters of any script stay readable. Not yet safe: `escape` it."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def ascii_json(value: Json, *, indent: int | None = None) -> str:
    """`value` as JSON in printable ASCII: what programs read from stdout."""
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=True, indent=indent, separators=separators)
    return text.replace("\x7f", "\\u007f")


class Output:
    """Where results, hints and errors of one run go."""

    def __init__(self, form: Format, *, quiet: bool = False, color: bool = True) -> None:
        self.form = form
        self.quiet = quiet
        self.color = color and "NO_COLOR" not in os.environ

    @property
    def structured(self) -> bool:
        """Whether stdout is for programs."""
        return self.form is not Format.TEXT

    def record(self, value: Mapping[str, Json], lines: Iterable[tuple[str, str]] | None = None) -> None:
        """One result. In text, `lines` are (label, value) pairs; without them the fields of `value` are shown."""
        if self.structured:
            self._write(ascii_json(dict(value), indent=2 if self.form is Format.JSON else None))
            return
        pairs = list(lines) if lines is not None else [(name, _cell(item)) for name, item in value.items()]
        width = max((len(label) for label, _ in pairs), default=0)
        for label, text in pairs:
            self._write(f"{escape(label):<{width}}  {escape(text)}".rstrip())

    def items(self, values: Sequence[Mapping[str, Json]], columns: Sequence[str], *, empty: str) -> None:
        """Many results: a table of `columns` in text, one array in json, one line each in jsonl."""
        if self.form is Format.JSON:
            self._write(ascii_json([dict(value) for value in values], indent=2))
        elif self.form is Format.JSONL:
            for value in values:
                self._write(ascii_json(dict(value)))
        elif not values:
            self.hint(empty)
        else:
            self._table(values, columns)

    def paragraph(self, lines: Iterable[str]) -> None:
        """Lines of prose on stdout; only used in text form."""
        for line in lines:
            self._write(escape(line))

    def exact(self, data: bytes) -> None:
        """Bytes that must not change (a transaction, a receipt) on stdout; shown escaped on a terminal."""
        if sys.stdout.isatty():
            self.paragraph(data.decode("utf-8", "replace").rstrip("\n").split("\n"))
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def hint(self, text: str) -> None:
        """What happens next, progress and prompts: stderr, unless `--quiet`."""
        if not self.quiet:
            self._say(escape(text), style="dim")

    def warning(self, text: str) -> None:
        """Something the user should know: stderr, always."""
        self._say(f"Warning: {escape(text)}", style="yellow")

    def error(self, error: WalletError) -> None:
        """The error a command ends with: code, sentence, remedy."""
        if self.structured:
            fields: dict[str, Json] = {"code": error.code, "detail": error.sentence, "remedy": error.remedy}
            document: dict[str, Json] = {"error": {**fields, **error.details, "exit_code": int(error.exit_code)}}
            sys.stderr.write(ascii_json(document) + "\n")
            return
        self._say(f"Error [{escape(error.code)}]: {escape(error.sentence)}", style="bold red")
        if error.remedy:
            self._say(f"Remedy: {escape(error.remedy)}")

    def _write(self, line: str) -> None:
        sys.stdout.write(line + "\n")

    def _say(self, line: str, *, style: str = "") -> None:
        if style and self.color and sys.stderr.isatty():
            import click

            line = click.style(
                line,
                fg={"yellow": "yellow", "bold red": "red"}.get(style),
                bold=style == "bold red",
                dim=style == "dim",
            )
        sys.stderr.write(line + "\n")

    def _table(self, values: Sequence[Mapping[str, Json]], columns: Sequence[str]) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for value in values:
            table.add_row(*(Text(escape(_cell(value.get(column)))) for column in columns))
        self._console(sys.stdout).print(table)

    def _console(self, stream: TextIO) -> Console:
        from rich.console import Console

        # Piped text keeps its lines whole: a program or a pager wraps them, not we.
        width = None if stream.isatty() else 400
        return Console(file=stream, no_color=not self.color, markup=False, emoji=False, highlight=False, width=width)


def _cell(value: Json) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case int():
            return str(value)
        case list() if all(isinstance(item, str | int) for item in value):
            return ", ".join(_cell(item) for item in value)
        case _:
            return inline_json(value)
