"""Words that the platforms' error messages are made of. In a recorded answer every other word of a message is left out. Pure."""


def words_in(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


WORDS = words_in(
    """
    a able access account accounts accepted action actions ad add address ads after again allowed all an and another any api app
    application approved are array as asked associated asynchronous at attempted attribute authenticated authentication authorization
    authorized available back be because been before being beyond blocked body both budget business but by call called caller calls
    campaign campaigns can cannot cause changed check choose city clause click client code combination completed condition contain
    contains could create created creative credential credentials currency current currently customer customers cursor data date day days
    deactivated deemed deleted deprecated describe details developer did disabled disallowed do document does doing due each edge edit
    either empty enable enabled end ended endpoint error errors exceed exceeded exhausted exist existing expected expired extended failed
    failure fetch field fields file filter filtering find finished first follow following for format found from get give given go goal
    google group groups had has have header help here hour hours how id ids if in incomplete inside insights instead instructions
    insufficient internal into invalid invalidated is it item its job jobs key kind large last later learn left less level like limit
    limited limits list loaded log logged login long longer made make manager managing many match maximum may mean meta metric metrics
    minute minutes missing month months more most must name names need needs never new next no node non none nonexisting not number object
    objects of off on one only open operation operations operator or order other out over own page pages param parameter parameters parse
    password past period permission permissions platform please policy possible post problem proceed product profile project projects
    provide provided query quota range rate read reached reading reason reasons recently reduce reference refresh refused related remove
    removed report reporting request requested requests require required requires reset resource resources result results resume retry row
    rows rules run running same scope seconds secret security see select selected server service session set sets setting should sign
    since size small smaller some sorry source span specified spend start started state status stop string strings subcode such support
    supported system take temporarily test than that the their them then there these they this those through time timed times to together
    token tokens too total transient try type unable unauthenticated unauthorized unavailable under unexpected unique unknown unset
    unsupported until update upgraded upgrade url usage use used user users using valid validating value values verify version versions
    view visit wait was we were what when where whether which while who whole why will with within without words wrong year yet you your
    reading malformed count occurs twice deep list number between twenty currency zone zones known digits time_zone permissions auto
    resolved sent ready finished running started skipped large too_many expiry finite negative infinite
    """
)
