"""Reports of training and evaluation: tables, results files, pages and figures."""
