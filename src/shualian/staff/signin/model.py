"""What is refused when somebody signs in; pure."""

from shualian.core.refusals import Helper
from shualian.staff.model import kind

SIGN_IN_FAILED = kind(
    "sign_in_failed",
    "账号或密码不对",
    "Account name or password is not right",
    "请核对后再试；管理员和监督员请用通行密钥登录",
    "Check both and try again; administrators and supervisors sign in with their passkey",
    Helper.SELF,
)

REFUSALS = (SIGN_IN_FAILED,)
