"""Which colour stands for what."""

from app.presentation.colours import class_colours


def test_a_model_that_knows_other_tumours_keeps_the_colours_of_those_with_names():
    plain = class_colours(("adenocarcinoma", "normal", "squamous_cell_carcinoma"), "normal")
    more = class_colours(("adenocarcinoma", "normal", "other_tumour", "squamous_cell_carcinoma"), "normal")
    assert {name: more[name] for name in plain} == plain and len(set(more.values())) == 4


def test_tissues_are_told_apart_from_each_other_and_from_the_classes():
    classes, tissues = ("adenocarcinoma", "normal"), ("blood", "epithelium", "fat", "lymphoid", "necrosis", "stroma")
    colours = class_colours(classes, "normal", tissues)
    assert list(colours) == [*classes, *tissues] and len(set(colours.values())) == len(colours)
