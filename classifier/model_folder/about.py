"""What a card says of a model in words: for what it is, what it cannot do, what it was never shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """The words of a card that no measurement gives."""

    intended_use: str
    limits: tuple[str, ...]
    never_shown: tuple[str, ...]
    synthetic: bool = False


YOUR_OWN = About(
    intended_use=(
        "Research use only: sorts tiles into the classes of its training list. It assists, a person decides. Not "
        "validated for any diagnostic purpose."
    ),
    limits=(
        "Every tile gets one of the trained classes; tissue of any other kind is at best reported as not recognised.",
        "Measured only on tiles of the list it was made from; another laboratory's scanner and stain may do worse.",
    ),
    never_shown=("Whatever the training list does not hold; name it here before you pass the model on.",),
)

LUNG = About(
    intended_use=(
        "Research use only: sorts H&E lung tiles into adenocarcinoma, normal and squamous cell carcinoma, for "
        "heatmaps and slide-level probabilities that a pathologist reviews. It assists, a person decides."
    ),
    limits=(
        "Trained on LC25000 alone: one source, tiles chosen as typical, no patient identifiers. Patient-level leakage "
        "between training and validation cannot be excluded.",
        "The network and its augmentation were chosen with the validation groups in sight: figures on them read a "
        "little too good.",
        "Starts from ImageNet weights of EfficientNet-Lite0 (Apache-2.0).",
        "The magnification of LC25000 is not stated; 1.0 um/px is an estimate from red-cell diameters.",
        "Colour alone goes far on this data; the colour-histogram baseline stands beside every figure.",
        "'Normal' means aerated alveoli and nothing else.",
        "Grade, subtype, mixed tumours, in-situ disease and metastases are not told apart.",
        "Never validated on whole slides of lung, on another laboratory's slides, or against a diagnosis.",
    ),
    never_shown=(
        "stroma, pleura and desmoplastic tissue without tumour",
        "bronchus, cartilage and glands of the airway",
        "lymph nodes, lymphoid follicles and dense inflammation",
        "necrosis, haemorrhage and mucus without tumour",
        "small cell, large cell and neuroendocrine carcinoma, carcinoid, mesothelioma and metastases",
        "frozen sections, cytology, immunohistochemistry and special stains",
        "blur, folds, pen marks and other artefacts",
    ),
)

LUNG_V2 = About(
    intended_use=(
        "Research use only: tells H&E lung tiles apart as adenocarcinoma, squamous cell carcinoma, another tumour, "
        "alveoli or another tissue without tumour, for heatmaps and slide-level scores that a pathologist reviews. It "
        "assists, a person decides."
    ),
    limits=(
        "Lung tissue comes from LC25000 almost alone; the other laboratories show other organs. What tells a class "
        "of one laboratory from a class of another is partly the laboratory.",
        "The labels of the other laboratories' tiles were given by eye from contact sheets, not by a pathologist.",
        "Adenocarcinoma of other laboratories is glandular tumour of colon, pancreas and stomach, squamous cell "
        "carcinoma is of the mouth; solid adenocarcinoma of the lung is the weakest point.",
        "'Another tumour' is neuroendocrine tumours, sarcoma, mesothelioma, lymphoma and a few more, of few cases.",
        "Starts from ImageNet weights of EfficientNet-Lite0 (Apache-2.0).",
        "Magnifications were estimated for most sources, from red cells or nuclei.",
        "Grade, subtype, mixed tumours, in-situ disease and metastases are not told apart.",
        "Looked at eight cases of lung from elsewhere and one patient's biopsy; never validated against diagnoses.",
    ),
    never_shown=(
        "bronchus and bronchial glands, cartilage and pleura of the lung itself",
        "metastases, carcinoid of the lung, large cell carcinoma, in-situ disease",
        "frozen sections, cytology, immunohistochemistry and special stains",
        "blur, folds, pen marks and other artefacts",
    ),
)

SYNTHETIC = About(
    intended_use=(
        "SYNTHETIC. Demonstrates the mechanics on slides that pulmoscope draws itself; says nothing of real lungs and "
        "must never be used on them."
    ),
    limits=(
        "SYNTHETIC: trained on drawings of tissue alone. Its figures tell how well it knows the drawings.",
        "Its calls on any real slide are meaningless.",
    ),
    never_shown=("any real tissue", "painted stroma and the blue weave, which it should report as not recognised"),
    synthetic=True,
)

IMPORTED = About(
    intended_use=(
        "Research use only: sorts tiles into the classes that its maker names. It assists, a person decides. Nothing "
        "was measured here: see `pulmoscope evaluate`."
    ),
    limits=(
        "Trained elsewhere: pulmoscope knows neither its training tissue nor its figures.",
        "It cannot be said whether a tile is like what it was trained on: every tile votes, also tissue of a kind that "
        "it was never shown.",
        "Its probabilities are as they come, not calibrated here.",
    ),
    never_shown=("Not known: ask its maker.",),
)
