"""Who sees patients and where."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Department:
    """A department with a queue of its own.

    Attributes:
        dept_code: 科室编码.
        dept_name: 科室名称.
        caty: 科别, the national category of the department.
        queue_letter: Stands before its queue numbers, such as ``A`` in ``A036``.
    """

    dept_code: str
    dept_name: str
    caty: str
    queue_letter: str


@dataclass(frozen=True, slots=True)
class Doctor:
    """A doctor as messages to the insurer name them.

    Attributes:
        dr_code: 医师编码, national.
        dr_name: 医师姓名.
    """

    dr_code: str
    dr_name: str
