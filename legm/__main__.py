"""``python -m legm`` is ``legm``."""

from legm.cli import main

main(prog_name="legm")
