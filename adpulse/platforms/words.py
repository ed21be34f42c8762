"""Words that the platforms' error messages are made of. In a recorded answer every other word of a message is left out. Pure."""


def words_in(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


WORDS = words_in(
    """
    a able abusive accept accepted access accessed accessing account accounts action actions ad add address adreport ads after again all
    allowed amount amounts an and another any api apis app application apply approved apr are array as asked asking associated async
    asynchronous at attached attempted attribute aug authenticated authentication authorization authorized auto available back basic be
    because been before being between beyond big bit blocked body both budget business but by call called caller calling calls campaign
    campaigns can cannot cause certain changed check choose city clause click client cloud code com combination completed condition
    console contact contain contains could count create created creating creative creatives credential credentials currency current
    currently cursor customer customers data date day days deactivated deadline dec deemed deep deleted deprecated describe details
    determine developer developers did digits disabled disallowed do docs document documentation does doesn doing don due each edge edit
    either empty enable enabled end ended endpoint error errors exceed exceeded exception exhausted exist existing expected expired expiry
    explorer expression extended facebook failed failure feb fetch few field fields file filter filtered filtering find finished finite
    first follow following for format found friday from generated get give given gmt go goal google googleapis grant group groups grpc had
    has have header help here hour hours how http https id ids if in include included incomplete infinite inside insights instead
    instructions insufficient internal into invalid invalidated is issued it item its jan job jobs json jul jun key kind known large last
    later latest learn left less level like limit limited limits list loaded loading log logged login long longer made make malformed
    manage manager managing many mar match matching maximum may mean meta metric metrics might minute minutes missing monday month months
    more most must name names need needs negative neither never new next no node non none nonexisting nor not note nov number oauth object
    objects occurred occurs oct of off on one only open operation operations operator or order other out over overview own owner page
    pages param parameter parameters parse password past pdt perform period permission permissions platform please policy possible post
    problem proceed product profile project projects propagate provide provided pst query quota range rate re reached read reading ready
    reason reasons recently reduce reference refresh refused related remove removed report reporting request requested requesting requests
    require required requirement requirements requires reset resolved resource resources response responses restricted result results
    resume retry row rows rules run running s same saturday scope scopes seconds secret security see select selected sent sep server
    service session set sets setting should sign since size skipped small smaller some sorry source span specified spend standard start
    started state status step stop string strings subcode such summary sunday support supported system systems t take target temporarily
    terms test than that the their them then there these they this those through thursday till time time_zone timed times to together
    token tokens too tos total transient tried try tuesday twenty twice two type unable unauthenticated unauthorized unavailable under
    unexpected unique unknown unset unsupported until update upgrade upgraded url usage use used user users using utc valid validating
    value values verification verify version versions view visit visiting wait was we wednesday were weren what when where whether which
    while who whole why will with within without words wrong www year yet you your zone zones
    """
)
