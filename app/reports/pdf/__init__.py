"""The PDF report: laid out with ReportLab, tagged, and made for an archive (PDF/A-2a); no browser is needed."""
