"""What a report for people says, drawn up once for all layouts: of a slide, of a failure, of what was decided."""
