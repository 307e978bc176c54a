"""How Streamlit is set: every option by us. Home folder, current folder and environment are another program's word."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

_PREFIX = "STREAMLIT_"
# Names without the prefix that Streamlit reads all the same.
_ALSO = ("PORT", "VITE_PORT", "MAPBOX_API_KEY")


def set_streamlit(options: Mapping[str, Any]) -> None:
    """Sets all options of Streamlit: those given by their dotted names, each other one to its default.

    To be called before anything else of Streamlit is. Its variables leave this process's environment.
    """
    for name in [name for name in os.environ if name.upper().startswith(_PREFIX) or name in _ALSO]:
        del os.environ[name]
    from streamlit import config

    # Nothing else is read: not one that a later version of this package adds, and no damaged one.
    config.get_config_files = lambda file_name: []
    config.get_config_options(force_reparse=True, options_from_flags=dict(options))
