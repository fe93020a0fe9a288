"""Volumes for tests, written by hand: NIfTI-1, packed where the name ends in .gz."""
import gzip
import struct

TYPES = {2: ("B", 8), 16: ("f", 32)}  # NIfTI's number of a voxel type: unsigned bytes and floats


def write_nifti(path, side, mm, values, code, affine=None):
    """values: numbers, or their bytes. affine: the 12 numbers of an sform; None: the header has no place in space."""
    letter, bits = TYPES[code]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *side, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, 1, *mm, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    if affine is not None:
        struct.pack_into("<B", header, 123, 2)
        struct.pack_into("<2h", header, 252, 0, 1)
        struct.pack_into("<12f", header, 280, *affine)
    header[344:348] = b"n+1\0"
    body = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{letter}", *values)
    with (gzip.open if path.endswith(".gz") else open)(path, "wb") as stream:
        stream.write(bytes(header) + body)
