"""The words that a vendor's error text is shown with; any other word in it may be a person's name, and is masked.

A list of what is shown, for no pattern finds a name. They are what errors are about: the words of the errors that the
references of Google, Zendesk, ChartMogul, Stripe and GitHub print.
"""

from __future__ import annotations

_WORDS = """
a about above absent accept accepted access according account accounts action activate activated active actual add
added additional address addresses admin administrator after again against agent all allow allowed already also
alter always an and another any anymore api apis app application applications apply are aren argument arguments
array as asc ascending asked associated at attempt attempted attribute attributes auth authenticate authenticated
authentication authorization authorized available aware away back backend bad base be because been before begin
beginning behind being below between beyond blank blocked body boolean both but by cache call called caller calls
can cannot certificate change changed changes channel char character characters chartmogul check choose claim
claims clear client clients closed cloud code codes collection collections column columns combination company
complete completed concurrent condition conditions conflict conflicting connect connection consent console
constraint contact contains content contract conversion cookie copy correct could couldn count country create
created creating creation credential credentials currency current currently cursor cursors custom customer customers
data database dataset date dates day days deactivated default defined delay delete deleted denied depth desc
descending describe description desk details detected developer developers did didn different digits directory
disabled disallowed document documentation documents does doesn domain don done down drive due duplicate duplicated
during each earlier edit either element elements email emails empty enable enabled encoding end ended endpoint ends
enough enter entities entitled entity entry enum environment equal error errors even event events every exceed
exceeded exceeds excel except exception exhausted exist existing exists expect expected expire expired expires
export exports expression external fail failed failure false feature features fetch few field fields file files
filter filters find first float folder following for forbidden form format formats found from full function further
future gateway general generated get give given go goes gone google grant granted graph greater group groups had
handle has hasn have haven header headers help here high host hour hours how http https id identical identifier
identity ids if image immediately in inactive include included includes including incorrect incremental index
information initial input inside insufficient int integer integers internal interval into invalid invoice invoices
ip is isn issue issued it item items its itself job jobs json jwt keep key keys kind known large larger last later
latest least left legacy length less level like limit limited limits line link list listed load loaded locale locked
log login long longer looking low made maintenance make malformed manage many match matches max maximal maximum may
membership message metadata method metric metrics million min minimum minute minutes missing mode model modified
moment month months more most move moved much multiple must my name named names need needed needs negative network
never new newer next no non none nor not nothing now null number numbers numeric oauth object objects occurred of
off office offset old older on once one ones only open operation operations operator optional options or order org
organization organizations other otherwise our out outside over own owner package page pages pagination param
parameter parameters params parent parse parsed parser parsing part partial parts pass passed password past path
pattern payload payment pending per percent perform performed permanently permission permissions permitted phone
plain plan plans please policy port position positive possible post precondition present previous price private
problem process processed processing product project projects propagate proper properties property provide provided
provider public put queried queries query quota quotas range ranges rate rating ratings raw reach reached read
reading really reason received recent recently record records recover recoverable redirect reference refresh refused
region register registered reject rejected release remaining remove removed renew replace report reports request
requested requests require required requires reserved reset resource resources respond response restricted result
results retrieve retry return returned revoked right role roles root row rows same satisfaction save schedule schema
scope scopes search second seconds secret section secure see select selected send sent server service services
session set setting settings several share shared sheet sheets should shouldn show shown sign signature similar
since single size slow so some something soon sorry sort source space spec specific specified spreadsheet
spreadsheets stale start started starting state status step still stop stopped stream string strings style subdomain
subscription subscriptions success such suite supplied support supported suspended sync syntax system systems tab
table tables tag tags taken team temporarily temporary terms test text than that the their them then there these
they thing things this those threshold throttled through ticket tickets time timed timeout times timestamp title to
today token tokens too total transaction trial trigger true try trying two type types unable unauthenticated
unauthorized unavailable undefined under unexpected unhandled unique unit unix unknown unless unprocessable
unreachable unrecognized unsupported until up update updated updates upgrade url urls usage use used user users uses
using uuid valid validate validated validation value values variable verification verified verify version versions
very via view visible visit visiting wait want was wasn way we webhook week weeks well were what when where which
while who will with within without won word work workspace would write wrong year years yet you your zendesk zero
zip zone
"""
_NAMES = "day form general grant job long low may page price read will"
_TITLED = """
access account api bad chartmogul cloud console data drive entity error excel failed forbidden found gateway google
internal invalid many missing no not oauth office permission project rate record request requests required resource
server service sheets source support time timeout too unauthorized unavailable unprocessable url uuid zendesk
"""

WORDS = frozenset(_WORDS.split())
"""In lower case."""

NAMES = frozenset(_NAMES.split())
"""Those that are names, too: shown only where they are written small. Will Page is somebody."""

TITLED = frozenset(_TITLED.split())
"""Those with a capital inside a sentence: names of products, and the words of `Not Found` and `Bad Request`."""
