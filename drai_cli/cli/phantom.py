"""`drai phantom`: labelled synthetic images whose style factors are known."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, preview_options
from drai_cli.cli.fields import field_options, given_fields
from drai_cli.cli.output import Output
from drai_cli.settings.data_options import PhantomOptions


@command(
    "phantom",
    group=options.DATA,
    parameters=field_options(
        PhantomOptions,
        {options.INPUT: ("count", "size"), options.OUTPUT: ("out", "overwrite"), options.RUN: ("seed",)},
    ),
    examples=("drai phantom --out lesions/ -n 2000", "drai phantom --out small/ -n 700 --size 32 --seed 1"),
)
def phantom(output: Output, dry_run: bool, settings: Settings) -> None:
    """Draw labelled phantom lesions with known style factors, for tests and for checks of the method.

    The seven classes differ only in palette, border and texture. Position, size, skin tone, light, aspect, rotation
    and hairs are drawn independently of the class and written to metadata.csv.
    """
    chosen = PhantomOptions(**given_fields(PhantomOptions, settings))
    from drai_cli.workflows.phantom import check_phantoms, make_phantoms

    if dry_run:
        check_phantoms(chosen)
        preview_options(output, chosen)
        return
    result = make_phantoms(chosen, output)
    output.result(result.to_json(), str(result.out))
