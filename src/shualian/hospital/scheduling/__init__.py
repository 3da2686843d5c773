"""Departments and doctors, by which visits are arranged."""
