/* env/house/text.c - see text.h. What can be done and what is answered are ALFWorld's, so
 * that one agent plays both; the texts below are our own. */
#include "env/house/text.h"

const char house_domain[] =
    "(define (domain house) (:requirements :adl :typing)\n"
    "(:types agent location receptacle object rtype otype)\n"
    "(:predicates\n"
    " (atLocation ?a - agent ?l - location) (receptacleAtLocation ?r - receptacle ?l - location)\n"
    " (objectAtLocation ?o - object ?l - location) (inReceptacle ?o - object ?r - receptacle)\n"
    " (receptacleType ?r - receptacle ?t - rtype) (objectType ?o - object ?t - otype)\n"
    " (canContain ?rt - rtype ?ot - otype) (holds ?a - agent ?o - object) (holdsAny ?a - agent)\n"
    " (openable ?r - receptacle) (opened ?r - receptacle) (checked ?r - receptacle)\n"
    " (pickupable ?o - object) (cleanable ?o - object) (heatable ?o - object)\n"
    " (coolable ?o - object) (sliceable ?o - object) (toggleable ?o - object)\n"
    " (isClean ?o - object) (isHot ?o - object) (isCool ?o - object) (isSliced ?o - object)\n"
    " (isToggled ?o - object) (isReceptacleObject ?o - object)\n"
    " (inReceptacleObject ?i - object ?o - object))\n"
    "(:action look :parameters (?a - agent ?l - location) :precondition (atLocation ?a ?l)\n"
    " :effect (checked ?l))\n"
    "(:action inventory :parameters (?a - agent) :precondition () :effect (checked ?a))\n"
    "(:action help :parameters (?a - agent) :precondition () :effect (checked ?a))\n"
    "(:action examineReceptacle :parameters (?a - agent ?r - receptacle)\n"
    " :precondition (exists (?l - location) (and (atLocation ?a ?l) (receptacleAtLocation ?r "
    "?l)))\n"
    " :effect (checked ?r))\n"
    "(:action examineObject :parameters (?a - agent ?o - object) :precondition (holds ?a ?o)\n"
    " :effect (checked ?o))\n"
    "(:action GotoLocation\n"
    " :parameters (?a - agent ?lStart - location ?lEnd - location ?r - receptacle)\n"
    " :precondition (and (atLocation ?a ?lStart) (receptacleAtLocation ?r ?lEnd))\n"
    " :effect (and (not (atLocation ?a ?lStart)) (atLocation ?a ?lEnd)))\n"
    "(:action OpenObject :parameters (?a - agent ?l - location ?r - receptacle)\n"
    " :precondition (and (openable ?r) (atLocation ?a ?l) (receptacleAtLocation ?r ?l)\n"
    "  (not (opened ?r))) :effect (and (opened ?r) (checked ?r)))\n"
    "(:action CloseObject :parameters (?a - agent ?l - location ?r - receptacle)\n"
    " :precondition (and (openable ?r) (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (opened "
    "?r))\n"
    " :effect (not (opened ?r)))\n"
    "(:action PickupObject :parameters (?a - agent ?l - location ?o - object ?r - receptacle)\n"
    " :precondition (and (pickupable ?o) (atLocation ?a ?l) (receptacleAtLocation ?r ?l)\n"
    "  (inReceptacle ?o ?r) (not (holdsAny ?a)) (or (not (openable ?r)) (opened ?r)))\n"
    " :effect (and (not (inReceptacle ?o ?r)) (not (objectAtLocation ?o ?l)) (holds ?a ?o)\n"
    "  (holdsAny ?a)))\n"
    "(:action PutObject\n"
    " :parameters (?a - agent ?l - location ?o - object ?r - receptacle ?ot - otype ?rt - rtype)\n"
    " :precondition (and (holds ?a ?o) (atLocation ?a ?l) (receptacleAtLocation ?r ?l)\n"
    "  (or (not (openable ?r)) (opened ?r)) (objectType ?o ?ot) (receptacleType ?r ?rt)\n"
    "  (canContain ?rt ?ot))\n"
    " :effect (and (inReceptacle ?o ?r) (objectAtLocation ?o ?l) (not (holds ?a ?o))\n"
    "  (not (holdsAny ?a))))\n"
    "(:action CleanObject :parameters (?a - agent ?l - location ?r - receptacle ?o - object)\n"
    " :precondition (and (cleanable ?o) (receptacleType ?r SinkBasinType) (atLocation ?a ?l)\n"
    "  (receptacleAtLocation ?r ?l) (holds ?a ?o)) :effect (isClean ?o))\n"
    "(:action HeatObject :parameters (?a - agent ?l - location ?r - receptacle ?o - object)\n"
    " :precondition (and (heatable ?o) (receptacleType ?r MicrowaveType) (atLocation ?a ?l)\n"
    "  (receptacleAtLocation ?r ?l) (holds ?a ?o)) :effect (and (isHot ?o) (not (isCool ?o))))\n"
    "(:action CoolObject :parameters (?a - agent ?l - location ?r - receptacle ?o - object)\n"
    " :precondition (and (coolable ?o) (receptacleType ?r FridgeType) (atLocation ?a ?l)\n"
    "  (receptacleAtLocation ?r ?l) (holds ?a ?o)) :effect (and (isCool ?o) (not (isHot ?o))))\n"
    "(:action ToggleObject :parameters (?a - agent ?l - location ?o - object ?r - receptacle)\n"
    " :precondition (and (toggleable ?o) (atLocation ?a ?l) (receptacleAtLocation ?r ?l)\n"
    "  (inReceptacle ?o ?r)) :effect (isToggled ?o))\n"
    "(:action SliceObject :parameters (?a - agent ?l - location ?co - object ?ko - object)\n"
    " :precondition (and (sliceable ?co) (or (objectType ?ko KnifeType)\n"
    "  (objectType ?ko ButterKnifeType)) (atLocation ?a ?l) (objectAtLocation ?co ?l)\n"
    "  (holds ?a ?ko)) :effect (isSliced ?co))\n"
    ")\n";

#define ACTION(name, template, feedback) \
    "action " name " {\n template :: \"" template "\";\n feedback :: \"" feedback "\";\n}\n"
#define WHEN(condition, rhs) "{\"condition\": \"" condition "\", \"rhs\": \"" rhs "\"}"
#define ELSE(rhs) "{\"rhs\": \"" rhs "\"}"
#define IS(what) #what "(o: object)"

const char house_grammar_text[] =
    "grammar :: \"\"\"\n{\n"
    "\"intro\": [" ELSE("-= Welcome to TextWorld, ALFRED! =-\\n\\n#look#\\n\\n#task#") "],\n"
    "\"task\": [" ELSE("Your task is to: %s") "],\n"
    "\"look\": ["
    WHEN("atlocation(a: agent, l: location) & receptacleatlocation(r: receptacle, l: location)",
         "You are facing the [{r.name | atlocation(a: agent, l: location) & "
         "receptacleatlocation(r: receptacle, l: location)}]. Next to it, you see #floor#.") ",\n"
    ELSE("You are in the middle of a room. Looking quickly around you, you see "
         "[{r.indefinite + ' ' + r.name | receptacleatlocation(r: receptacle, l: location)}].") "],\n"
    "\"floor\": ["
    ELSE("[{o.indefinite + ' ' + o.name | atlocation(a: agent, l: location) & "
         "objectatlocation(o: object, l: location) & "
         "receptacleatlocation(r: receptacle, l: location) & "
         "not_inreceptacle(o: object, r: receptacle)}]") "],\n"
    "\"receptacle\": ["
    WHEN("openable(r: receptacle) & opened(r: receptacle)",
         "The {r.name} is open. In it, you see #inside#.") ",\n"
    WHEN("openable(r: receptacle)", "The {r.name} is closed.") ",\n"
    ELSE("On the {r.name}, you see #inside#.") "],\n"
    "\"inside\": ["
    ELSE("[{o.indefinite + ' ' + o.name | inreceptacle(o: object, r: receptacle)}]") "],\n"
    "\"object\": ["
    WHEN(IS(isclean) " & " IS(ishot) " & " IS(issliced),
         "This is a hot and clean sliced {o.name}.") ",\n"
    WHEN(IS(isclean) " & " IS(iscool) " & " IS(issliced),
         "This is a cool and clean sliced {o.name}.") ",\n"
    WHEN(IS(isclean) " & " IS(issliced), "This is a clean sliced {o.name}.") ",\n"
    WHEN(IS(ishot) " & " IS(issliced), "This is a hot sliced {o.name}.") ",\n"
    WHEN(IS(iscool) " & " IS(issliced), "This is a cool sliced {o.name}.") ",\n"
    WHEN(IS(isclean) " & " IS(ishot), "This is a hot and clean {o.name}.") ",\n"
    WHEN(IS(isclean) " & " IS(iscool), "This is a cool and clean {o.name}.") ",\n"
    WHEN(IS(ishot), "This is a hot {o.name}.") ",\n"
    WHEN(IS(isclean), "This is a clean {o.name}.") ",\n"
    WHEN(IS(iscool), "This is a cold {o.name}.") ",\n"
    WHEN(IS(issliced), "This is a sliced {o.name}.") ",\n"
    ELSE("There's nothing special about {o.name}.") "],\n"
    "\"inventory\": ["
    WHEN("holdsany(a: agent)",
         "You are carrying: [{o.indefinite + ' ' + o.name | holds(a: agent, o: object)}].") ",\n"
    ELSE("You are not carrying anything.") "],\n"
    "\"list_empty\": [" ELSE("nothing") "],\n"
    "\"list_separator\": [" ELSE(", ") "],\n"
    "\"list_last_separator\": [" ELSE(", and ") "]\n"
    "}\n\"\"\";\n"
    ACTION("look", "look", "#look#")
    ACTION("inventory", "inventory", "#inventory#")
    ACTION("examineReceptacle", "examine {r}", "#receptacle#")
    ACTION("examineObject", "examine {o}", "#object#")
    ACTION("GotoLocation", "go to {r}", "You arrive at {r.name}. #receptacle#")
    ACTION("OpenObject", "open {r}", "You open the {r.name}. #receptacle#")
    ACTION("CloseObject", "close {r}", "You close the {r.name}.")
    ACTION("PickupObject", "take {o} from {r}", "You pick up the {o.name} from the {r.name}.")
    ACTION("PutObject", "move {o} to {r}", "You move the {o.name} to the {r.name}.")
    ACTION("CleanObject", "clean {o} with {r}", "You clean the {o.name} using the {r.name}.")
    ACTION("HeatObject", "heat {o} with {r}", "You heat the {o.name} using the {r.name}.")
    ACTION("CoolObject", "cool {o} with {r}", "You cool the {o.name} using the {r.name}.")
    ACTION("ToggleObject", "use {o}", "You turn on the {o.name}.")
    ACTION("SliceObject", "slice {co} with {ko}", "You sliced the {co.name} with the {ko.name}.")
    ACTION("help", "help",
           "Commands: look, inventory, go to (receptacle), open (receptacle), close (receptacle), "
           "take (object) from (receptacle), move (object) to (receptacle), examine (something), "
           "use (object), heat (object) with (receptacle), clean (object) with (receptacle), "
           "cool (object) with (receptacle), slice (object) with (object)");
