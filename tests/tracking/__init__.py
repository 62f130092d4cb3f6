# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules for MLflow's own things against a real MLflow server with users.

``server.py`` starts it and runs modules against it, ``conftest.py`` hands one out for the whole session.
"""
