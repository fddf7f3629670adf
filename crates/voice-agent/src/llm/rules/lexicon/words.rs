//! The verbs of the task language, in lists.

/// Verbs that begin a thing to do.
pub(super) const ACTIONS: &str = "accept adjust analyse analyze announce answer apply approve arrange ask assemble attend back \
    bake bring build buy calculate call cancel catch change charge check choose clean clear close collect comb compare \
    complete confirm contact cook copy create cut debug decide decline decorate defrost delete deliver deploy describe \
    dig discuss do donate download draft draw drive drop dust edit email empty enroll enter evaluate exercise explain \
    extend feed fetch figure file fill find finish fix fold follow forward freeze fry gather get give go grab greet \
    grill grow hand hang hide hire hoover improve inspect install interview investigate invite invoice iron join \
    journal jog keep kill learn leave lend let listen load lock look lose mail make measure meet mend merge message \
    migrate mop move mow negotiate notify oil open order organise organize pack paint park pay peel phone pick plan \
    plant play polish post practice practise pray prepare present print process pump purchase push put rake read \
    rebook recharge recycle refactor refill refund register rehearse release remove renew renovate rent repair replace \
    reply report request rescan research reserve reset respond restart restock restore return review rewrite ring run \
    save say scan schedule scrub sell send set sew share shave shine ship shop shovel sow sign skype sort speak start stop \
    store study submit subscribe sweep swim take talk tape teach tell test text thank throw tidy train transfer \
    translate treat trim try turn unpack unsubscribe update upgrade upload vacuum verify visit volunteer wake walk \
    wash watch water wax weed weigh wipe wrap write zip \
    babysit borrow burn chill whisk sprinkle apologise apologize renegotiate adjust archive assign attend auction bathe bind bleed block boil braid breathe brew bump catalogue chase claim climb \
    coach congratulate cycle deal deep-clean demolish descale dilute dismantle disinfect dispatch dispose \
    donate drain dry empty engrave evict fasten fertilise fertilize forge fund glaze grate \
    grease grind groom grout handle harvest heat hem host inflate inform insulate insure invest knead knit \
    lift loan lubricate marinate mulch nominate obtain operate oversee patch \
    pave photograph plait plaster play pluck pour preserve prime prune quote raise rearrange \
    recruit redirect reheat reinstall reload relocate remortgage replant repot rescue restring revise ride rinse \
    roll rotate sack sell serve service settle sharpen shorten shred sketch slice smoke soak solve \
    spray stack sterilise store strain strengthen stretch strip supervise sweeten switch \
    tally taste telephone thaw tighten tow trace track transcribe transplant treat tune unblock unclog \
    untangle upholster varnish ventilate view vote wean weld wind worm \
    net bind thaw string rebuild redo repay retake resit accompany adapt adopt aerate allocate amend appoint appraise assess assist assure authorise authorize beat befriend begin \
    bless brainstorm bury calibrate carry carve celebrate certify chop circulate clarify compile compose compress conduct \
    consult convert coordinate darn declutter dedicate deflate deice delegate demonstrate detach detangle develop devise \
    diagnose digitise digitize dismiss distribute embroider enclose encourage enquire entertain erect establish estimate \
    execute expand explore ferment flatten forage fortify fulfil furnish garnish hoist identify implement initiate \
    inject inquire inscribe integrate invent laminate liaise loosen maintain memorise memorize narrate neaten obey observe \
    persuade predict produce promote proofread propose protect provide pursue realign reassure reclaim recommend reconcile \
    reconnect recover reduce refit refuel regrout rehair rehang rehome rehouse reimburse remodel reorganise reorganize \
    reprint reroute reseal resign resit resize resolve resubmit resurface retest retie retile retrieve rewire rewind rub sand \
    scour scrape secure separate shake sift simplify sing sink sling solder soothe spread squeeze steam stick stir stitch \
    straighten suggest swat tie toss toughen tuck unfold uninstall unlock unroll unscrew unwrap unzip upcycle vaccinate warn \
    waterproof weave weatherproof widen winterise winterize air bag bottle box brush button clip code count cover cross \
    design display drill dye fax fence frame fuel gift grade hammer hose ice juggle label launch lay level light link log map \
    mash mix model monitor mount nail name package paste pickle pin place plug press proof pull rate record refresh root \
    route sample scale score screen screw seal seed shape shift shut sieve skip slot snap sponge stain stake stamp staple \
    tag tailor tap thread tile tip toast touch trade twist type unload vet warm whip wire";

/// Those that are as likely a thing: they begin a task only in front of an article or the like.
pub(super) const NOUN_LIKE: &str = "back book change charge check comb copy cut dig draft draw drive drop dust edit exercise \
    file fry go grill hand hire iron journal kill lock look mail message mop oil pack paint park peel phone plan \
    plant play polish post practice present print process pump purchase push rake release rent repair reply report \
    request research return review ring run save scan sew share shop sign sort start stop store study swim tape test \
    text train transfer treat trim turn update upgrade \
    block boil bump chase claim climb coach cycle deal drain dry fund glaze \
    grease heat host lift loan patch prime prune quote \
    raise ride roll sack serve service settle slice smoke soak spray stack \
    strain stretch strip switch taste tow trace track tune varnish view vote wind worm telephone \
    archive harvest sketch visit walk wash watch water wax weed wrap zip milk top \
    air bag bottle box brush button clip code count cover cross design display drill dye fax fence frame fuel gift grade \
    hammer hose ice juggle label launch lay level light link log map mash mix model monitor mount nail name package paste \
    pickle pin place plug press proof pull rate record refresh root route sample scale score screen screw seal seed shape \
    shift shut sieve skip slot snap sponge stain stake stamp staple tag tailor tap thread tile tip toast touch trade \
    twist type unload vet warm whip wire";

/// What was done, and the verb of it, where it is not formed as most are.
pub(super) const PAST: &[(&str, &str)] = &[
    ("ate", "eat"),
    ("baked", "bake"),
    ("bought", "buy"),
    ("brought", "bring"),
    ("built", "build"),
    ("called", "call"),
    ("cancelled", "cancel"),
    ("canceled", "cancel"),
    ("caught", "catch"),
    ("chose", "choose"),
    ("cut", "cut"),
    ("did", "do"),
    ("done", "do"),
    ("drew", "draw"),
    ("dropped", "drop"),
    ("drove", "drive"),
    ("fed", "feed"),
    ("found", "find"),
    ("fixed", "fix"),
    ("gave", "give"),
    ("got", "get"),
    ("gotten", "get"),
    ("hung", "hang"),
    ("hoovered", "hoover"),
    ("kept", "keep"),
    ("left", "leave"),
    ("lent", "lend"),
    ("made", "make"),
    ("met", "meet"),
    ("mowed", "mow"),
    ("ordered", "order"),
    ("paid", "pay"),
    ("planned", "plan"),
    ("put", "put"),
    ("ran", "run"),
    ("read", "read"),
    ("replied", "reply"),
    ("rang", "ring"),
    ("rung", "ring"),
    ("dug", "dig"),
    ("eaten", "eat"),
    ("given", "give"),
    ("grew", "grow"),
    ("sown", "sow"),
    ("said", "say"),
    ("sent", "send"),
    ("sold", "sell"),
    ("set", "set"),
    ("shipped", "ship"),
    ("shopped", "shop"),
    ("spoke", "speak"),
    ("stopped", "stop"),
    ("studied", "study"),
    ("submitted", "submit"),
    ("swam", "swim"),
    ("swept", "sweep"),
    ("taught", "teach"),
    ("threw", "throw"),
    ("tidied", "tidy"),
    ("taken", "take"),
    ("told", "tell"),
    ("took", "take"),
    ("tried", "try"),
    ("walked", "walk"),
    ("went", "go"),
    ("woke", "wake"),
    ("wrapped", "wrap"),
    ("written", "write"),
    ("wrote", "write"),
    ("bled", "bleed"),
    ("learnt", "learn"),
    ("learned", "learn"),
    ("bent", "bend"),
    ("bound", "bind"),
    ("burnt", "burn"),
    ("clung", "cling"),
    ("crept", "creep"),
    ("dealt", "deal"),
    ("drawn", "draw"),
    ("driven", "drive"),
    ("fought", "fight"),
    ("flew", "fly"),
    ("flown", "fly"),
    ("froze", "freeze"),
    ("frozen", "freeze"),
    ("forgot", "forget"),
    ("ground", "grind"),
    ("hid", "hide"),
    ("hidden", "hide"),
    ("held", "hold"),
    ("laid", "lay"),
    ("led", "lead"),
    ("lit", "light"),
    ("lost", "lose"),
    ("mown", "mow"),
    ("proven", "prove"),
    ("rode", "ride"),
    ("ridden", "ride"),
    ("sewn", "sew"),
    ("shook", "shake"),
    ("shaken", "shake"),
    ("shot", "shoot"),
    ("shown", "show"),
    ("shut", "shut"),
    ("sang", "sing"),
    ("sung", "sing"),
    ("sat", "sit"),
    ("slept", "sleep"),
    ("spoken", "speak"),
    ("spelt", "spell"),
    ("spent", "spend"),
    ("split", "split"),
    ("spread", "spread"),
    ("stuck", "stick"),
    ("strung", "string"),
    ("tore", "tear"),
    ("torn", "tear"),
    ("understood", "understand"),
    ("wore", "wear"),
    ("worn", "wear"),
    ("wove", "weave"),
    ("woven", "weave"),
    ("wound", "wind"),
    ("won", "win"),
    ("woken", "wake"),
    ("rebuilt", "rebuild"),
    ("rewrote", "rewrite"),
    ("rewritten", "rewrite"),
    ("redid", "redo"),
    ("redone", "redo"),
    ("withdrew", "withdraw"),
    ("withdrawn", "withdraw"),
    ("repaid", "repay"),
    ("restrung", "restring"),
    ("reset", "reset"),
    ("rehung", "rehang"),
    ("resat", "resit"),
    ("retook", "retake"),
    ("thawed", "thaw"),
    ("thrown", "throw"),
    ("begun", "begin"),
    ("began", "begin"),
    ("chosen", "choose"),
    ("broken", "break"),
    ("broke", "break"),
    ("fallen", "fall"),
    ("swapped", "swap"),
    ("beat", "beat"),
    ("beaten", "beat"),
    ("knelt", "kneel"),
    ("leant", "lean"),
    ("spun", "spin"),
    ("swum", "swim"),
    ("sprung", "spring"),
    ("stood", "stand"),
    ("sawn", "saw"),
    ("shorn", "shear"),
    ("hurt", "hurt"),
];
