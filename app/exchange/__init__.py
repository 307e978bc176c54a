"""Results in the forms that other programs read: FHIR for records, DICOM for archives, Parquet for data frames.

They tell what the program found; what people decided on it is told by the reports for people and by JSON.
"""
