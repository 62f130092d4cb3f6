# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stands in for ``conda init [--reverse] bash``: a block in ``~/.bashrc`` between conda's own marks."""

import re
import sys
from pathlib import Path

BLOCK = """# >>> conda initialize >>>
# This block is written by 'conda init'.
if __conda_setup="$('{prefix}/bin/conda' 'shell.bash' 'hook' 2>/dev/null)"; then
    eval "$__conda_setup"
else
    export PATH="{prefix}/bin:$PATH"
fi
unset __conda_setup
# <<< conda initialize <<<
"""

arguments = sys.argv[1:]
reverse = "--reverse" in arguments
if [word for word in arguments if word != "--reverse"] != ["bash"]:
    sys.exit(f"conda init: this stand-in knows [--reverse] bash, not {arguments}")
file = Path("~/.bashrc").expanduser()
before = file.read_text() if file.exists() else ""
after = re.sub(r"\n?# >>> conda initialize >>>\n.*?# <<< conda initialize <<<\n", "", before, flags=re.DOTALL)
if not reverse:
    after += "\n" + BLOCK.format(prefix=sys.prefix)
print("no change".ljust(13), f"{sys.prefix}/bin/conda")
if before == after:
    print("no change".ljust(13), file)
    print("No action taken.")
else:
    file.write_text(after)
    print("modified".ljust(13), file)
    print("\n==> For changes to take effect, close and re-open your current shell. <==\n")
