"""`mindone-tae list`: the names of components and recipes."""


def add_to(commands):
    """Adds the command."""
    parser = commands.add_parser("list", help="list the components that a recipe can name, and the package's recipes")
    parser.set_defaults(command=run)


def run(options, console):
    """Prints the names of every group and the recipes."""
    from mindone_tae.zoo import UserError, names, recipe_names
    from mindone_tae.zoo.recipe.files import purpose
    from mindone_tae.zoo.registry import GROUPS, entry_point

    for group in GROUPS:
        console.print(group)
        for name in names(group):
            try:
                claim = entry_point(group, name)
                told = f"{claim.value}  ({claim.dist.name})"
            except UserError as error:  # claimed twice, which spoils this name and no other
                told = f"cannot be used: {error}"
            console.print(f"  {name:<26}{told}")
        console.print()
    console.print("recipes (--config NAME)")
    for name in recipe_names():
        console.print(f"  {name:<{max(map(len, recipe_names()))}}  {purpose(name)}")
