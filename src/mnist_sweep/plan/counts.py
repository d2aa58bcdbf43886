"""A number with its noun: 1 trial, 0 trials, 2,000 combinations."""


def counted(n: int, noun: str) -> str:
    """So many of something; the noun takes an s unless there is one."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
