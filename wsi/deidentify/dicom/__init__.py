"""DICOM whole-slide instances: the Basic Application Level Confidentiality Profile of PS3.15, by an allow-list."""
