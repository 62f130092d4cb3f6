# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Google Cloud that runs on one machine: the real APIs in front, real hosts, databases and objects behind."""
