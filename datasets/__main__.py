"""Write a folder of real data for a class without internet.

    python -m datasets --export DIR           every data set that can be downloaded
    python -m datasets --export DIR mnist     only this one

Copy the folder to the other computers and give its path there with --data-dir or
$KERAS_TUTORIAL_DATA.
"""

import shutil
import sys

from common.errors import FULL, fail, on_interrupt
from common.files import atomic_write
from common.flags import Parser, home_path


def main() -> None:
    """Parse the flags and copy the files of each data set from the first source that has them."""
    parser = Parser(prog="python -m datasets", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets (default: all)")
    parser.add_argument(
        "--export", type=home_path, required=True, metavar="DIR", help="folder to write to"
    )
    where = "copy from this folder (default: $KERAS_TUTORIAL_DATA, the cache or a download)"
    parser.add_argument("--data-dir", type=home_path, metavar="DIR", help=where)
    flags = parser.parse_args()
    on_interrupt(lambda: "the files written so far are complete; run the same command again")

    from datasets import FILES, NAMES, download, read_real

    unknown = [name for name in flags.names if name not in NAMES]
    if unknown:
        fail(f"{unknown[0]}: no such data set; choose from {', '.join(NAMES)}")
    written, failed = [], []
    for name in flags.names or NAMES:
        try:
            _, folder = read_real(name, flags.data_dir)
            flags.export.mkdir(parents=True, exist_ok=True)
            for file in FILES[name]:
                with atomic_write(flags.export / file) as temporary:
                    shutil.copyfile(folder / file, temporary)
            written.append(name)
        except download.DownloadError as error:
            optional = name in download.BY_HAND and not flags.names  # not requested by name
            if not optional:
                failed.append(name)
            print(f"{'left out' if optional else 'error'}: {name}: {error}", file=sys.stderr)
        except OSError as error:
            problem = f"--export {flags.export}: cannot write there ({error.strerror})"
            remedy = "give a writable folder with 100 MB of free space"
            fail(f"{problem}; {remedy}", 1 if error.errno in FULL else 2)
    missing = f"; go online and run this again for {', '.join(failed)}" if failed else ""
    print(f"{flags.export}: wrote {', '.join(written) or 'nothing'}{missing}")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
