"""`drai phantom`: labelled synthetic images whose style factors are known."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, run_or_preview
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import Output
from drai_cli.settings.data_options import PhantomOptions


@command(
    "phantom",
    group=options.DATA,
    parameters=make_options(PhantomOptions),
    examples=(
        "drai phantom --out lesions/ -n 2000",
        "drai phantom --out small/ -n 700 --size 32 --seed 1",
        "drai phantom --out discs/ --findings",
    ),
)
def phantom(output: Output, dry_run: bool, settings: Settings) -> None:
    """Draw labelled phantom lesions with known style factors, for tests and for checks of the method.

    The seven classes differ only in palette, border and texture. Position, size, skin tone, light, aspect, rotation
    and hairs are drawn independently of the class and written to metadata.csv. With --findings each image is a disc
    with any of five marks, and its label is the set of them, such as `ring|spot`.
    """
    chosen = PhantomOptions(**collect_given(PhantomOptions, settings))
    from drai_cli.workflows.phantom import check_phantoms, make_phantoms

    result = run_or_preview(output, dry_run, chosen, check_phantoms, make_phantoms)
    output.result(result.to_json(), str(result.out))
