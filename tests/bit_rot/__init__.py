"""Every byte of a small node directory, flipped in turn: what a node makes of it, and what it must never do.

directory   a validator's database and guard in the middle of a height, as production code wrote them; and a home
judging     one start on a directory, everything it reads, says and signs, held against the one that was whole
sweep       all flips of all bytes, in slices
home_files  the same for configuration, keys, marks and genesis
"""
