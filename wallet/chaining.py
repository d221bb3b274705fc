"""A command whose verbs may stand several times on one line: each adds a part, and all of them are one thing.

    proposal create add-validator v5 set-quorum 4 --reason "dock joins" --key-file ann

People add options where the cursor is. So the options of the command itself may stand anywhere, also behind a verb that
does not have them, and the options of a verb before or after what it is about.
"""

from __future__ import annotations

from collections import deque

import click

from wallet.options import Group


class Chain(Group):
    """Such a command. Its result callback gets what the verbs have returned, in their order."""

    def __init__(self, *args: object, **settings: object) -> None:
        super().__init__(*args, chain=True, **settings)
        self.subcommand_metavar = "CHANGE [CHANGE]..."

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command's own options first, and those of each verb right behind it, as click wants them."""
        own: list[str] = []
        verbs: list[_Verb] = []
        words = deque(args)
        while words:
            word = words.popleft()
            verb = verbs[-1] if verbs else None
            if word.startswith("-") and word not in ("-", "--"):
                option = None if verb is None else _option(verb.command, word)
                belongs = verb is not None and (option is not None or word in ctx.help_option_names)
                option = option or _option(self, word)
                place = verb.options if verb is not None and belongs else own
                place.append(word)
                if option is not None and not option.is_flag and "=" not in word:
                    if not words:  # moved to the front it would swallow the word behind it
                        raise click.BadOptionUsage(word, f"Option {word!r} requires an argument.", ctx)
                    place.append(words.popleft())
            elif verb is None or verb.lacks == 0:
                verbs.append(_Verb(word, self.commands.get(word)))
            else:
                verb.arguments.append(word)
        return super().parse_args(ctx, own + [word for verb in verbs for word in verb.words()])


class _Verb:
    """A verb of the line, with what belongs to it."""

    def __init__(self, name: str, command: click.Command | None) -> None:
        self.name = name
        self.command = command
        self.options: list[str] = []
        self.arguments: list[str] = []

    @property
    def lacks(self) -> int:
        """How many arguments are still to come."""
        parameters = () if self.command is None else self.command.params
        return sum(isinstance(item, click.Argument) for item in parameters) - len(self.arguments)

    def words(self) -> list[str]:
        """The verb's part of the line."""
        return [self.name, *self.options, *self.arguments]


def _option(command: click.Command | None, word: str) -> click.Option | None:
    """The option of `command` that `word` is."""
    name = word.partition("=")[0]
    for parameter in () if command is None else command.params:
        if isinstance(parameter, click.Option) and name in (*parameter.opts, *parameter.secondary_opts):
            return parameter
    return None
