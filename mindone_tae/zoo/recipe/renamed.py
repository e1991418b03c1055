"""A component that the command line names in the place of the recipe's, whose keywords may be none of its own."""

from ..errors import listed
from .yaml_marks import COMMAND_LINE


def without_left_over(mistakes, given, named_at, path, what, signature):
    """One mistake in the place of one for each keyword that was meant for another component.

    Args:
        mistakes: (keyword, text) pairs, see `check_keywords`.
        given: MarkedDict of the component.
        named_at: Mark of its name.
        path: of the component.
        what: what it is called, such as "dataset 'mixture'".
        signature: its Signature, or None.

    Returns:
        The mistakes that remain, and a text on the others; None where there are none.
    """
    if signature is None or named_at is None or named_at.source != COMMAND_LINE:
        return mistakes, None
    known = {keyword.name for keyword in signature.keywords}
    left_over = [
        key
        for key, _ in mistakes
        if key not in known and given.marks.get(key) and given.marks[key].source != COMMAND_LINE
    ]
    if not left_over:
        return mistakes, None
    required = [keyword.name for keyword in signature.keywords if keyword.required]
    keywords = "".join(f", {name}: ..." for name in required)
    cure = (
        f"{what} is named on the command line, and what the recipe says of another ({listed(left_over)}) is none of "
        f'its keywords: give the section whole, "{path}={{name: {given["name"]}{keywords}}}"'
    )
    return [(key, text) for key, text in mistakes if key not in (*left_over, *required)], cure
