# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules against the emulator. Where to look, and where to add:

- ``cloud.py`` is the emulator in the test's process, with a clock that is not waited for; ``conftest.py`` hands it out,
  and has Google's documents judge every request when a test ends.
- ``cases/gcp_<module>.py`` is a table a module: what is tried on each of its options. A new option needs a row, a new
  module a file.
- What holds for every module is tested once, over all tables: ``test_fields`` (set, changed, emptied, left alone, and
  foretold by check mode), ``test_properties`` (any mixture of options), ``test_fuzz`` (anything at all),
  ``test_concurrency`` (two at once), ``test_secrets`` (nothing is told), ``test_requests`` (what is sent).
- What holds for several is in a file of its subject: ``test_grants``, ``test_propagation``, ``test_lost_answers``.
- ``test_gcp_<module>.py`` has what a table cannot say of one module.
- ``test_imports`` and ``test_playbook`` start real programs, because they are about those.

What a module makes of an answer that the emulator never gives is tested in ``tests/unit/plugins``.
"""
