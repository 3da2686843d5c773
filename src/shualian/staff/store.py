"""What the tables of all subjects of staff share; ``staff.service`` imports every one of them."""

from sqlalchemy import MetaData

metadata = MetaData()
