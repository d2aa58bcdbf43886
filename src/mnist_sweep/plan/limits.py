"""What a sweep file may ask for at most, and what it gets where it says nothing."""

DEFAULT_NUM_LAYERS = 4
MAX_LAYERS = 100
MAX_WIDTH = 65_536
MAX_COUNT = 2**31 - 1
