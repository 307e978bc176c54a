"""What a pathologist's synoptic report of a lung resection says, and no program says here: each item stands empty.

The items are those of the protocol for lung resections of the College of American Pathologists (Lung 4.1.0.1, February
2020), in words of our own. A system that takes in a report has a place for them; a person fills it.
"""

from __future__ import annotations

from app.presentation.language import said

SYNOPTIC_TITLE = said("For a person to fill in")
SYNOPTIC_NOTE = said(
    "The items of a synoptic report of a lung resection. Not one of them was looked for: all are empty, whatever the "
    "model calls, and nothing may be taken from its figures into them unread."
)
SYNOPTIC_ITEMS = {
    "procedure": said("Procedure"),
    "laterality": said("Side of the specimen"),
    "tumour_focality": said("Single or several tumours"),
    "tumour_site": said("Site of the tumour"),
    "total_size_cm": said("Total size of the tumour, cm"),
    "invasive_size_cm": said("Size of its invasive part, cm"),
    "histologic_type": said("Histologic type"),
    "histologic_grade": said("Histologic grade"),
    "spread_through_air_spaces": said("Spread through air spaces"),
    "visceral_pleura_invasion": said("Invasion of the visceral pleura"),
    "adjacent_structures_invasion": said("Invasion of adjacent structures"),
    "lymphovascular_invasion": said("Lymphovascular invasion"),
    "treatment_effect": said("Effect of treatment before surgery"),
    "margins": said("Resection margins"),
    "lymph_nodes": said("Regional lymph nodes"),
    "distant_metastasis": said("Distant metastasis, if examined"),
    "pt": said("pT"),
    "pn": said("pN"),
    "pm": said("pM, if it applies"),
}
"""Code for programs -> title."""
