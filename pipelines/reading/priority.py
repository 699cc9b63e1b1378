"""Priority: how soon it matters, as far as the words say."""

from pipelines.reading.phrases import Phrases
from pipelines.reading.text import fold, mask
from schemas.tasks import Found, Priority
from schemas.verdicts import Span

_SEEN = 4_000

_Said = tuple[Priority, float, str]

# The first that is found wins: what is called not urgent is not urgent, however often the word is used.
_TABLE: tuple[tuple[_Said, str], ...] = (
    (
        (Priority.LOW, 0.9, "is called not urgent"),
        "not urgent | no rush | no hurry | not critical | not a blocker | low priority | priority: low | p4 | "
        "whenever you have time | when you have time | when you get a chance | не терміново | не горить | "
        "не спішно | не поспішай | коли буде час | не критично | низький пріоритет | не срочно | не горит | "
        "не к спеху | когда будет время | низкий приоритет",
    ),
    (
        (Priority.CRITICAL, 0.95, "is called critical"),
        "priority: critical | critical priority | p0 | sev1 | sev-1 | showstopper | show stopper | emergency | "
        "аварія | авария | критичний пріоритет | критический приоритет | критично | критичний баг | "
        "критический баг",
    ),
    (
        (Priority.CRITICAL, 0.9, "production is down"),
        "production is down | prod is down | production down | prod down | site is down | website is down | "
        "api is down | server is down | database is down | everything is down | service is down | "
        "down in production | прод лежить | прод упав | прод впав | прод ліг | продакшн лежить | "
        "сайт лежить | сайт впав | сайт не працює | усе лежить | все лежить | прод лежит | прод упал | "
        "прод лег | сайт лежит | сайт упал | сайт не работает | всё лежит | все лежит",
    ),
    (
        (Priority.CRITICAL, 0.85, "touches security"),
        "security hole | security incident | data breach | breach | leaked | leaks tokens | password leak* | "
        "exposed credentials | sql injection | xss | витік даних | витік паролів | зламали нас | утечка данных | "
        "взломали",
    ),
    (
        (Priority.CRITICAL, 0.85, "data is lost"),
        "data loss | lost data | losing data | lost all | wiped | deleted all | corrupted data | втрата даних | "
        "втратили дані | зникли дані | потеря данных | потеряли данные | пропали данные",
    ),
    (
        (Priority.CRITICAL, 0.8, "touches money"),
        "charged twice | double charge* | cannot pay | can't pay | payments fail | payments are failing | "
        "payment fails | checkout is broken | checkout fails | не можуть оплатити | двічі списал* | "
        "двічі списує* | оплата не проходить | не могут оплатить | дважды списал* | дважды списывает* | "
        "оплата не проходит",
    ),
    (
        (Priority.HIGH, 0.9, "is called urgent"),
        "urgent | urgently | asap | a.s.a.p | as soon as possible | immediately | right away | "
        "high priority | priority: high | top priority | p1 | blocker | blocking us | blocks us | "
        "blocks the release | is blocking | терміново | термінова | терміновий | негайно | якнайшвидше | "
        "блокує | блокер | горить | високий пріоритет | срочно | срочный | срочная | немедленно | "
        "как можно скорее | поскорее | блокирует | горит | высокий приоритет",
    ),
    (
        (Priority.HIGH, 0.75, "touches security"),
        "security | vulnerability | vulnerabilities | vulnerable | cve | rce | вразливість | уразливість | "
        "безпека | безпеки | уязвимость | безопасность | безопасности",
    ),
    (
        (Priority.HIGH, 0.75, "touches production or customers"),
        "outage | in production | on production | on prod | in prod | all users | every user | "
        "all customers | customers are complaining | customer complain* | customers can't | users can't | "
        "clients can't | на проді | на продакшні | у всіх користувачів | клієнти скаржаться | "
        "користувачі скаржаться | на проде | на продакшене | у всех пользователей | клиенты жалуются | "
        "пользователи жалуются",
    ),
    (
        (Priority.HIGH, 0.7, "is wanted today"),
        "by eod | by end of day | by the end of the day | by today | by tonight | до кінця дня | до конца дня | "
        "сьогодні до | сегодня до",
    ),
    (
        (Priority.LOW, 0.8, "is called small or for later"),
        "someday | some day | nice to have | nice-to-have | would be nice | minor | cosmetic | typo | trivial | "
        "low prio | eventually | in the future | not important | колись | на майбутнє | дрібниця | дрібний | "
        "косметик* | одрук* | було б непогано | когда-нибудь | на будущее | мелочь | мелкий | опечатк* | "
        "было бы неплохо",
    ),
)
_PHRASES: Phrases[_Said] = Phrases(_TABLE)


def priority(text: str) -> Found[Priority]:
    """Tell how soon it matters; medium when the words do not say."""
    folded = fold(mask(text[:_SEEN]))
    for (level, confidence, reason), span in _PHRASES.find(folded):
        words = " ".join(folded[slice(*span)].split())
        return Found(level, confidence, f'{reason} ("{words}")', Span(*span))
    return Found(Priority.MEDIUM, 0.5, "nothing says how soon")
