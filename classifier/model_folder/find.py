"""Which folder a model's name stands for, and which models came with the program. Reads cards at most."""

from __future__ import annotations

from pathlib import Path

from classifier.model_folder.card import CARD_FILE, ModelCard
from classifier.model_folder.files import read_card
from wsi.errors import ModelNotFoundError

DEFAULT_MODEL, FAST_MODEL = "lung-v2", "lung-v1"
DEMO_MODEL = "demo-synthetic"
PACKAGED = Path(__file__).parent.parent / "models"


def packaged_models() -> list[ModelCard]:
    """Cards of the models that came with the program, the default first."""
    cards = [read_card(path.parent) for path in sorted(PACKAGED.glob(f"*/{CARD_FILE}"))]
    return sorted(cards, key=lambda card: card.name != DEFAULT_MODEL)


def find_model(name_or_path: str | Path) -> Path:
    """The folder of a model. A packaged name wins over a folder of that name; write ./NAME for the folder."""
    names = sorted(path.parent.name for path in PACKAGED.glob(f"*/{CARD_FILE}"))
    if str(name_or_path) in names:
        return PACKAGED / str(name_or_path)
    path = Path(name_or_path)
    if not path.exists():
        raise ModelNotFoundError(
            f"there is no model {name_or_path}", hint=f"give a model folder or one of: {', '.join(names) or 'none'}"
        )
    return path
