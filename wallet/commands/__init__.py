"""One module per family of commands: wording and order of steps; the work is done by the modules above."""
