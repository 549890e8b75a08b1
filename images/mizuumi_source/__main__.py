"""`python -m mizuumi_source [mysql|postgres|s3|http]`: the kind of source is the word, or what the SourceConnection says."""

import sys

from .contract import PREFIX, Code, Failure, main

KINDS = ("mysql", "postgres", "s3", "http")


def reader(kind):
    """What reads that kind; an image holds the libraries of its own kind alone."""
    if kind == "mysql":
        from .mysql import read
    elif kind == "postgres":
        from .postgres import read
    elif kind == "s3":
        from .files import read_s3 as read
    elif kind == "http":
        from .files import read_http as read
    else:
        raise Failure(Code.USAGE, f"'{kind}' is no kind of source that this image knows: there are {', '.join(KINDS)}")
    return read


def start(run):
    of_image = sys.argv[1] if len(sys.argv) > 1 else None
    of_connection = run.option("kind")
    kind = of_image or of_connection or ""
    if of_image and of_connection and of_image != of_connection:
        raise Failure(Code.CONFIG, f"this image reads '{of_image}', and the SourceConnection is of kind '{of_connection}': name another image ({PREFIX}KIND)")
    return reader(kind)(run)


main(start)
