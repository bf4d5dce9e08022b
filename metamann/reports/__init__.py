"""What people look at after training and evaluation: tables, results files, pages and pictures."""
