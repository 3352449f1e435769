def price(pieces: int) -> int:
    """What so many pieces cost."""
    return 7 * pieces
